package attack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/process/sandbox"
)

// Stage is what is attacked, for as long as it is open.
type Stage struct {
	Target
	o       Options
	host    *sandbox.Host
	victim  *exec.Cmd
	closers []func() error
}

// Options of a Stage.
type Options struct {
	// Guard is the path of mirrorguard.
	Guard string
	// Self is a command that calls Try with the Target that is its last argument, as JSON, and writes the results as JSON.
	Self []string
	// Env is added to the environment of Self.
	Env []string
	// User to attack as, for root; nil is the present one.
	User *syscall.Credential
}

// Open makes everything.
func Open(o Options) (s *Stage, err error) {
	s = &Stage{o: o, host: sandbox.Probe()}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := s.files(); err != nil {
		return s, fmt.Errorf("cannot make the files to attack: %w", err)
	}
	if err := s.listen(); err != nil {
		return s, fmt.Errorf("cannot make the sockets to attack: %w", err)
	}
	const private, all = 0, 0o666
	if s.Shared, err = unix.SysvShmGet(private, 4096, unix.IPC_CREAT|all); err != nil {
		return s, fmt.Errorf("cannot make the memory to attack: %w", err)
	}
	s.closers = append(s.closers, func() error { _, err := unix.SysvShmCtl(s.Shared, unix.IPC_RMID, nil); return err })
	s.victim = exec.Command("/bin/sleep", "1000")
	s.victim.SysProcAttr = &syscall.SysProcAttr{Credential: o.User}
	if err := s.victim.Start(); err != nil {
		s.victim = nil
		return s, fmt.Errorf("cannot start the process to attack: %w", err)
	}
	s.Victim = s.victim.Process.Pid
	return s, nil
}

// Close ends and removes it.
func (s *Stage) Close() {
	if s.victim != nil {
		_ = s.victim.Process.Kill()
		_ = s.victim.Wait()
	}
	for _, c := range s.closers {
		_ = c()
	}
	if s.Dir != "" {
		_ = os.RemoveAll(s.Dir)
	}
}

func (s *Stage) files() (err error) {
	if s.Dir, err = os.MkdirTemp("", "attack"); err != nil {
		return err
	}
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		return err
	}
	for _, dir := range []string{"outside", "inside", "readonly"} {
		if err := os.Mkdir(filepath.Join(s.Dir, dir), 0o777); err != nil {
			return err
		}
	}
	for name, data := range map[string][]byte{"outside/file": []byte("x"), "outside/true": program, "readonly/file": []byte("x")} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), data, 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink("../outside/file", s.Dir+"/inside/link"); err != nil {
		return err
	}
	return filepath.Walk(s.Dir, func(path string, info os.FileInfo, err error) error { // nothing is in the way but the sandbox
		if err != nil || info.Mode()&os.ModeSymlink != 0 {
			return err
		}
		return os.Chmod(path, 0o777)
	})
}

// listen opens the sockets, which answer as far as an attempt needs it.
func (s *Stage) listen() error {
	s.Abstract = "mirroros-attack-" + strconv.Itoa(os.Getpid())
	port := func(a net.Addr) int { _, p, _ := net.SplitHostPort(a.String()); n, _ := strconv.Atoi(p); return n }
	for _, l := range []struct {
		network, address string
		port             *int
	}{{"tcp4", "127.0.0.1:0", &s.Allowed}, {"tcp4", "127.0.0.1:0", &s.Other}, {"unix", s.Dir + "/outside.sock", nil}, {"unix", "@" + s.Abstract, nil}} {
		c, err := net.Listen(l.network, l.address)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, c.Close)
		if l.port != nil {
			*l.port = port(c.Addr())
		}
	}
	if c, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(s.Other))); err == nil { // not every host has IPv6
		s.closers = append(s.closers, c.Close)
	}
	d, err := net.ListenPacket("unixgram", s.Dir+"/outside.dgram")
	if err != nil {
		return err
	}
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.closers, s.UDP = append(s.closers, d.Close, u.Close), port(u.LocalAddr())
	go func() {
		b := make([]byte, 16)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = u.WriteTo(b[:n], from)
		}
	}()
	for _, name := range []string{"/outside.sock", "/outside.dgram"} {
		if err := os.Chmod(s.Dir+name, 0o777); err != nil {
			return err
		}
	}
	return nil
}

// Attack tries everything at a level. Missing is what this host cannot give of it.
func (s *Stage) Attack(level sandbox.Level) (results []Result, missing []string, err error) {
	p, err := s.host.Compile(sandbox.Options{Level: level, ReadOnly: []string{s.o.Self[0], s.Dir + "/readonly"}, ReadWrite: []string{s.Dir + "/inside"},
		ConnectTCP: []int{s.Allowed}, Root: s.o.User == nil && os.Geteuid() == 0})
	if err != nil {
		return nil, nil, err
	}
	out, err := s.run(p)
	if err != nil {
		return nil, p.Missing, fmt.Errorf("cannot attack at level %s: %w", level, err)
	}
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, p.Missing, fmt.Errorf("cannot read what was tried at level %s: %v: %q", level, err, out)
	}
	return results, append(p.Missing, p.Weaker...), nil
}

// run has mirrorguard become the attacker within a sandbox.
func (s *Stage) run(p *sandbox.Plan) ([]byte, error) {
	target, err := json.Marshal(s.Target)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("sandbox", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	text := os.NewFile(uintptr(fd), "sandbox")
	defer text.Close()
	if _, err := text.Write(p.Text); err != nil {
		return nil, err
	}
	args := []string{"exec", "-e", "2", "-s", "3", "-d", s.Dir}
	if u := s.o.User; u != nil {
		args = append(args, "-u", fmt.Sprintf("%d:%d:", u.Uid, u.Gid))
	}
	args = append(append(append(args, "-", "0", "--", s.o.Self[0]), s.o.Self...), string(target))
	cmd := exec.Command(s.o.Guard, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &out, &errs, []*os.File{text}
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, s.o.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if p.NewNet {
		sandbox.Namespaces(cmd.SysProcAttr, p.NewUser)
	}
	if err := cmd.Run(); err != nil {
		return nil, errors.Join(err, errors.New(strings.TrimSpace(errs.String())))
	}
	return out.Bytes(), nil
}
