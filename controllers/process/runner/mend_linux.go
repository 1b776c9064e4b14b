package runner

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// renew begins a claim file anew with what still counts of it, the last run: because it grew long, or because somebody removed it.
func (r *Runner) renew(p *proc) (int, error) {
	c := &claim{
		Boot: r.boot, ID: p.ID, Attempt: p.Attempt, Owner: p.Owner, Hash: p.Hash, Note: p.Note,
		Cgroup: p.cgroup, Groups: p.v1, Limits: p.Limits, Started: p.Started.UnixNano(), Clock: int64(p.Boot), Awake: int64(p.StartedAwake),
	}
	text := c.header()
	if p.ident.pid != 0 {
		text = append(text, pidLine(p.ident, c.Started)...)
	}
	if !p.Announced.IsZero() {
		text = append(text, announceLine(moment{p.Announced, p.AnnouncedAwake})...)
	}
	if !p.Stopping.IsZero() {
		text = append(text, stopLine(moment{p.Stopping, p.StoppingAwake})...)
	}
	if p.Exit != nil {
		text = append(text, exitLine(p.Exit)...)
	}
	if err := os.MkdirAll(r.claims, 0o700); err != nil {
		return -1, err
	}
	tmp := r.claims + "/." + p.ID
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return -1, err
	}
	if err := unix.Rename(tmp, r.file(p.ID)); err != nil {
		return -1, err
	}
	return unix.Open(r.file(p.ID), unix.O_RDWR|unix.O_APPEND|unix.O_CLOEXEC, 0)
}

// add adds a piece to an instance's claim file; to one made anew when somebody removed it. The lock is held.
func (r *Runner) add(id string, piece []byte) error {
	fd, err := unix.Open(r.file(id), unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if p := r.procs[id]; err == unix.ENOENT && p != nil {
		if fd, err = r.renew(p); err != nil {
			return fmt.Errorf("the claim file was removed: %w", err)
		}
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAll(fd, piece)
}
