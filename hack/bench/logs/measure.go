package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"mirroros.dev/mirroros/controllers/process/logs"
)

const (
	lineSize = 100
	id       = "bench"
)

// result of one run.
type result struct {
	seconds, cpu        float64
	kills               int
	peak, disk          int64 // bytes on disk
	lines               int   // retained
	lost, doubled, torn int   // of them
}

// measurePlain writes to a plain file and reads it back.
func measurePlain(o options, dir string) (result, error) {
	path := filepath.Join(dir, "plain")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return result{}, err
	}
	defer os.Remove(path)
	defer f.Close()
	r := result{}
	if r.seconds, err = write(o, f, nil); err != nil {
		return r, err
	}
	r.disk = allocated(path)
	r.peak = r.disk
	return r, nil
}

// measureLogs writes to a log that another process samples; that one is killed so many times within about the given seconds.
func measureLogs(o options, dir string, kills int, within float64) (result, error) {
	logDir := filepath.Join(dir, "logs")
	defer os.RemoveAll(logDir)
	l, err := logs.Open(logDir, logs.Options{})
	if err != nil {
		return result{}, err
	}
	f, err := l.Writer(id, o.keep)
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		return result{}, err
	}
	defer f.Close()
	r := result{}
	r.seconds, err = write(o, f, func(done <-chan struct{}) error {
		every := time.Duration(within / float64(kills+1) * float64(time.Second))
		return r.sample(o, logDir, kills, every, done)
	})
	if err != nil {
		return r, err
	}
	r.disk = allocated(filepath.Join(logDir, id+".log"))
	return r, r.verify(logDir, o.bytes/lineSize)
}

// write runs the writer with f as its output; beside runs until it is done.
func write(o options, f *os.File, beside func(done <-chan struct{}) error) (seconds float64, err error) {
	syscall.Sync()
	cmd := exec.Command("/proc/self/exe", "write", strconv.FormatInt(o.bytes/lineSize, 10), strconv.Itoa(o.chunk))
	cmd.Stdout, cmd.Stderr = f, os.Stderr
	done, ended := make(chan struct{}), make(chan error, 1)
	if beside != nil {
		go func() { ended <- beside(done) }()
	} else {
		ended <- nil
	}
	start := time.Now()
	err = cmd.Run()
	seconds = time.Since(start).Seconds()
	close(done)
	if e := <-ended; err == nil {
		err = e
	}
	return seconds, err
}

// sample runs the sampling process until done, killing and starting it again, and adds up what it costs.
func (r *result) sample(o options, dir string, kills int, every time.Duration, done <-chan struct{}) error {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	cmd, err := startSampler(o, dir)
	if err != nil {
		return err
	}
	next := time.Now().Add(every)
	for {
		select {
		case <-look.C:
			r.peak = max(r.peak, allocated(filepath.Join(dir, id+".log")))
			if r.kills < kills && time.Now().After(next) {
				r.kills++
				next = next.Add(every)
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				r.cpu += cpu(cmd)
				if cmd, err = startSampler(o, dir); err != nil {
					return err
				}
			}
		case <-done:
			_ = cmd.Process.Signal(syscall.SIGTERM)
			err := cmd.Wait()
			r.cpu += cpu(cmd)
			return err
		}
	}
}

func startSampler(o options, dir string) (*exec.Cmd, error) {
	cmd := exec.Command("/proc/self/exe", "sample", dir, strconv.FormatInt(o.keep, 10))
	cmd.Stderr = os.Stderr
	return cmd, cmd.Start()
}

func cpu(cmd *exec.Cmd) float64 {
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
}

func allocated(path string) int64 {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil {
		return 0
	}
	return st.Blocks * 512
}

// verify reads what is retained: every line whole, each one after the other, the last one the last that was written.
func (r *result) verify(dir string, written int64) error {
	l, err := logs.Open(dir, logs.Options{})
	if err != nil {
		return err
	}
	defer l.Close()
	want := int64(-1)
	err = l.Read(context.Background(), id, logs.ReadOptions{}, func(b []byte) error {
		n, ok := parse(b)
		switch {
		case !ok:
			r.torn++
			return nil
		case want >= 0 && n > want:
			r.lost += int(n - want)
		case want >= 0 && n < want:
			r.doubled++
			return nil
		}
		want = n + 1
		r.lines++
		return nil
	})
	r.lost += int(written - max(want, 0))
	return err
}

// roles are what this program is when it starts itself.
var roles = map[string]func(args []string) error{"write": writeLines, "sample": sampleLog}

// writeLines is the workload: so many lines to standard output, so many bytes at once.
func writeLines(args []string) error {
	n, _ := strconv.ParseInt(args[0], 10, 64)
	chunk, _ := strconv.Atoi(args[1])
	w := bufio.NewWriterSize(os.Stdout, chunk)
	line := newLine()
	for i := range n {
		number(line, i)
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return w.Flush()
}

// sampleLog is the operator: it watches the log until it is asked to end.
func sampleLog(args []string) error {
	keep, _ := strconv.ParseInt(args[1], 10, 64)
	l, err := logs.Open(args[0], logs.Options{})
	if err != nil {
		return err
	}
	if err := l.Attach(id, keep, 0); err != nil {
		return err
	}
	ctx, stop := signalContext()
	defer stop()
	_ = l.Run(ctx)
	l.Detach(id)
	if h := l.Health(id); h.Err != nil {
		return fmt.Errorf("unhealthy: %w", h.Err)
	}
	return l.Close()
}
