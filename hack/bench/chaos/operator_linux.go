package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"mirroros.dev/mirroros/controllers/process/logs"
	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/controllers/process/runner/guard"
)

// settle is short: these operators die young and are to be started again at once.
const settle = time.Nanosecond

// atOnce is how many one-shot workloads run at once.
const atOnce = 16

// op is an operator that runs each workload exactly once, however often it is killed.
type op struct {
	dir    string
	runner *runner.Runner
	output *os.File
	logs   *logs.Logs
	mu     sync.Mutex
	ended  map[string]chan struct{}
}

func operator(args []string) int {
	fs := flag.NewFlagSet("operator", flag.ExitOnError)
	dir := fs.String("dir", "", "")
	path := fs.String("guard", "", "")
	n := fs.Int("n", 0, "")
	services := fs.Int("services", 0, "")
	helper := fs.Bool("helper", false, "")
	fs.Parse(args)
	state := filepath.Join(*dir, "state")
	become := func() {
		fmt.Fprintln(os.Stderr, guard.Exec(guard.Options{State: state, Guard: *path, Settle: settle}))
		os.Exit(1)
	}
	if !guard.Guarded() {
		become()
	}
	go func() {
		if guard.Watch(context.Background()) == nil {
			become()
		}
	}()
	if err := lock(filepath.Join(state, "lock")); err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		return 1
	}
	put(*dir, "pids", fmt.Sprintf("%d %d", os.Getpid(), os.Getppid()))
	o := &op{dir: *dir, ended: map[string]chan struct{}{}}
	options := runner.Options{StateDir: state, Guard: *path}
	if *helper {
		options.CgroupParent = runner.NoCgroup
	}
	var err error
	if o.runner, err = runner.Open(options); err == nil {
		err = o.all(*n, *services)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		return 1
	}
	return 0
}

// lock waits until no other operator has the state directory, and has it until this process ends or becomes another.
func lock(file string) error {
	fd, err := syscall.Open(file, syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	for {
		if err = syscall.Flock(fd, syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}

// all holds the services while it runs the one-shot workloads that were not done yet, sixteen at a time. When all kills are done
// it stops the services.
func (o *op) all(n, services int) error {
	var err error
	if o.output, err = os.OpenFile(filepath.Join(o.dir, "log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if o.logs, err = logs.Open(filepath.Join(o.dir, "state", "logs"), logs.Options{}); err != nil {
		return err
	}
	go o.logs.Run(context.Background())
	go o.runner.Run(context.Background(), o.notify)
	for id := range services {
		if err := o.hold(service(id)); err != nil {
			return err
		}
	}
	o.each(n, atOnce, o.once)
	put(o.dir, "drained", "")
	for !o.exists("stop") {
		time.Sleep(5 * time.Millisecond)
	}
	o.each(services, services, func(id int) error { return o.end(service(id)) })
	put(o.dir, "finished", "")
	return o.runner.Close()
}

// each does something for each number, some at a time.
func (o *op) each(n, atOnce int, do func(id int) error) {
	slots := make(chan struct{}, max(1, atOnce))
	var wg sync.WaitGroup
	for id := range n {
		slots <- struct{}{}
		wg.Go(func() {
			if err := do(id); err != nil {
				fmt.Fprintln(os.Stderr, "operator:", err)
				os.Exit(1)
			}
			<-slots
		})
	}
	wg.Wait()
}

func (o *op) exists(name string) bool {
	_, err := os.Stat(filepath.Join(o.dir, name))
	return err == nil
}

// once sees one workload through: start it unless it was started, wait, write down how it ended.
func (o *op) once(id int) error {
	name := "w" + strconv.Itoa(id)
	if o.exists("done/" + name) {
		if _, ok := o.runner.Get(name); ok {
			return o.runner.Forget(name)
		}
		return nil
	}
	if _, known := o.runner.Get(name); !known {
		if _, err := o.start(name, strconv.Itoa(id), o.output); err != nil {
			return err
		}
	}
	return o.finish(name)
}

func (o *op) start(name, arg string, output *os.File) (runner.Instance, error) {
	self, err := guard.Self()
	if err != nil {
		return runner.Instance{}, err
	}
	return o.runner.Start(runner.Spec{
		ID: name, Attempt: 1, Owner: "chaos", Path: self, Argv: []string{"chaos", "work", filepath.Join(o.dir, "starts"), arg},
		Dir: o.dir, Output: output.Fd(),
	})
}

// finish waits for the end of a run, writes down how it ended, and forgets it.
func (o *op) finish(name string) error {
	ch := o.channel(name)
	inst, _ := o.runner.Get(name)
	if inst.Exit == nil {
		<-ch
		inst, _ = o.runner.Get(name)
	}
	text := "lost"
	if e := inst.Exit; e != nil && e.Known {
		text = strconv.Itoa(e.Code)
		if e.Signal != 0 {
			text = strconv.Itoa(200 + int(e.Signal))
		}
	}
	put(o.dir, "done/"+name, text)
	return o.runner.Forget(name)
}

// hold starts a service, or takes it up, and notes which process it is.
func (o *op) hold(name string) error {
	const bytes = 64 << 20
	if o.exists("done/" + name) {
		return nil
	}
	inst, known := o.runner.Get(name)
	if !known {
		w, err := o.logs.Writer(name, bytes)
		if err != nil {
			return err
		}
		defer w.Close()
		if inst, err = o.start(name, name, w); err != nil {
			return err
		}
	} else if err := o.logs.Attach(name, bytes, inst.PID); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(o.dir, "seen"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, name, inst.PID)
	return err
}

// end stops a service.
func (o *op) end(name string) error {
	if o.exists("done/" + name) {
		return nil
	}
	if err := o.runner.Stop(name, syscall.SIGTERM); err != nil && !errors.Is(err, runner.ErrEnded) {
		return err
	}
	return o.finish(name)
}

func (o *op) channel(name string) chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended[name] == nil {
		o.ended[name] = make(chan struct{}, 1)
	}
	return o.ended[name]
}

func (o *op) notify(name string) { o.channel(name) <- struct{}{} }

// put writes a file whole or not at all.
func put(dir, name, text string) {
	tmp := filepath.Join(dir, "."+filepath.Base(name))
	if os.WriteFile(tmp, []byte(text), 0o600) == nil {
		os.Rename(tmp, filepath.Join(dir, name))
	}
}
