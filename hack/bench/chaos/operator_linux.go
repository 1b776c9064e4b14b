package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/controllers/process/runner/guard"
)

// settle is short: these operators die young and are to be started again at once.
const settle = time.Nanosecond

// op is an operator that runs each workload exactly once, however often it is killed.
type op struct {
	dir    string
	runner *runner.Runner
	output *os.File
	mu     sync.Mutex
	ended  map[string]chan struct{}
}

func operator(args []string) int {
	fs := flag.NewFlagSet("operator", flag.ExitOnError)
	dir := fs.String("dir", "", "")
	path := fs.String("guard", "", "")
	n := fs.Int("n", 0, "")
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
	put(*dir, "pids", fmt.Sprintf("%d %d", os.Getpid(), os.Getppid()))
	o := &op{dir: *dir, ended: map[string]chan struct{}{}}
	options := runner.Options{StateDir: state, Guard: *path}
	if *helper {
		options.CgroupParent = runner.NoCgroup
	}
	var err error
	if o.runner, err = runner.Open(options); err == nil {
		err = o.all(*n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		return 1
	}
	return 0
}

// all runs what was not done yet, sixteen at a time.
func (o *op) all(n int) error {
	var err error
	if o.output, err = os.OpenFile(filepath.Join(o.dir, "log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
		return err
	}
	go o.runner.Run(context.Background(), o.notify)
	slots := make(chan struct{}, 16)
	var wg sync.WaitGroup
	for id := range n {
		slots <- struct{}{}
		wg.Go(func() {
			if err := o.once(id); err != nil {
				fmt.Fprintln(os.Stderr, "operator:", err)
				os.Exit(1)
			}
			<-slots
		})
	}
	wg.Wait()
	return o.runner.Close()
}

// once sees one workload through: start it unless it was started, wait, write down how it ended.
func (o *op) once(id int) error {
	name := "w" + strconv.Itoa(id)
	done := filepath.Join("done", name)
	if _, err := os.Stat(filepath.Join(o.dir, done)); err == nil {
		if _, ok := o.runner.Get(name); ok {
			return o.runner.Forget(name)
		}
		return nil
	}
	ch := o.channel(name)
	inst, known := o.runner.Get(name)
	if !known {
		self, err := guard.Self()
		if err != nil {
			return err
		}
		_, err = o.runner.Start(runner.Spec{
			ID: name, Attempt: 1, Owner: "chaos", Path: self, Argv: []string{"chaos", "work", filepath.Join(o.dir, "starts"), strconv.Itoa(id)},
			Dir: o.dir, Output: o.output.Fd(),
		})
		if err != nil {
			return err
		}
	}
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
	put(o.dir, done, text)
	return o.runner.Forget(name)
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
