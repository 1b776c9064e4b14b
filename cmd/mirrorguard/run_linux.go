package main

import (
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// endDescriptor is where an operator writes eight bytes when it is about to end on purpose with a code other than 0.
const endDescriptor = 3

// guardian holds one operator and all processes that lost their parent below it.
type guardian struct {
	exits  string        // directory of the exit records
	argv   []string      // the operator's program and arguments
	env    []string      // its environment
	settle time.Duration // an operator that lived longer than this did not fail to start

	mu      sync.Mutex
	op      int // pid of the operator, 0 while there is none
	began   time.Time
	told    syscall.Signal // the last signal that asks to end and was passed on to this operator
	end     int            // eventfd behind the operator's endDescriptor
	quick   int            // failed starts in a row
	up      chan struct{}  // capacity 1: an operator was started
	kept    []record       // exit records that could not be written yet
	retries bool           // a timer for kept is running
}

// record is an exit record: a file name and its text. pidfd is of the process while it is kept: an operator that inherits it can ask the
// kernel; -1 for none.
type record struct {
	name  string
	data  []byte
	pidfd int
}

func run(args []string) int {
	g := &guardian{settle: time.Second, end: -1, up: make(chan struct{}, 1)}
	state := ""
	for len(args) > 1 && args[0] != "--" {
		switch args[0] {
		case "--state":
			state = args[1]
		case "--settle":
			d, err := time.ParseDuration(args[1])
			if err != nil {
				say("--settle needs a duration")
				return 2
			}
			g.settle = d
		default:
			say("unknown option " + args[0])
			return 2
		}
		args = args[2:]
	}
	if state == "" || len(args) < 2 || args[0] != "--" {
		say("usage: mirrorguard run --state DIR [--settle DURATION] -- PROGRAM ARGS…")
		return 2
	}
	g.exits, g.argv = state+"/exits", args[1:]
	g.prepare()
	go g.forward(catch()) // caught before there is an operator: a guardian that dies of a signal leaves its operator behind
	g.start()
	return g.loop()
}

// prepare makes this process a subreaper whose children inherit nothing but the standard descriptors.
func (g *guardian) prepare() {
	syscall.RawSyscall6(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0, 0, 0, 0)
	// Whoever read our messages may be gone. Caught, and not ignored: a caught signal is back to its default in the children.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	foreign := inheritedPidfds()
	syscall.RawSyscall(sysCloseRange, 3, ^uintptr(0)>>32, closeRangeCloexec)
	inherit(foreign) // by every operator: those processes are not below this guardian
	end, _, err := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err == 0 {
		g.end = int(end)
	}
	g.env = append(os.Environ(), "MIRROROS_GUARD="+strconv.Itoa(os.Getpid()))
	if dir, err := os.Open(g.exits); err == nil { // what a killed guardian left half written
		names, _ := dir.Readdirnames(-1)
		dir.Close()
		for _, name := range names {
			if name[0] == '.' {
				syscall.Unlink(g.exits + "/" + name)
			}
		}
	}
}

// catch begins to catch the signals that are passed on.
func catch() <-chan os.Signal {
	ch := make(chan os.Signal, 16)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2} {
		if !signal.Ignored(s) {
			signal.Notify(ch, s)
		}
	}
	return ch
}

// forward passes signals on to the operator, which is in a process group of its own: one Ctrl-C is one signal.
func (g *guardian) forward(ch <-chan os.Signal) {
	for s := range ch {
		sig := s.(syscall.Signal)
		g.mu.Lock()
		if g.op != 0 {
			if sig != syscall.SIGUSR1 && sig != syscall.SIGUSR2 {
				g.told = sig
			}
			syscall.Kill(g.op, sig)
		} else if sig != syscall.SIGHUP && sig != syscall.SIGUSR1 && sig != syscall.SIGUSR2 {
			os.Exit(128 + int(sig)) // between two operators: there is nobody to ask
		}
		g.mu.Unlock()
	}
}

// start starts the operator, now or, when that fails, later. It gets a pidfd of each process that may be a workload's: it can
// tell how one ended even when this guardian dies before the operator has looked for the first time.
func (g *guardian) start() {
	g.mu.Lock()
	defer g.mu.Unlock()
	files := []uintptr{0, 1, 2}
	if g.end >= 0 {
		files = append(files, uintptr(g.end))
		defer closeAll(childPidfds())
	}
	g.began = time.Now()
	pid, err := syscall.ForkExec(g.argv[0], g.argv, &syscall.ProcAttr{Env: g.env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true}})
	if err != nil {
		say("cannot start " + g.argv[0] + ": " + err.Error())
		g.quick = max(g.quick, 4)
		g.again()
		return
	}
	g.op, g.told = pid, 0
	select {
	case g.up <- struct{}{}:
	default:
	}
}

// again starts the next operator: at once, or after a while when five in a row died young. The lock is held.
func (g *guardian) again() {
	g.quick++
	if g.quick < 5 {
		go g.start()
		return
	}
	d := min(time.Second<<min(g.quick-5, 5), 30*time.Second)
	say("the operator keeps dying, starting it again in " + d.String())
	time.AfterFunc(d, g.start)
}

// loop records and reaps until the operator has ended for good.
func (g *guardian) loop() int {
	for {
		e, err := waitAny()
		if err == syscall.ECHILD { // nobody left: wait for the next operator
			<-g.up
			continue
		}
		if err != 0 {
			say("cannot wait for children: " + err.Error())
			return 1
		}
		g.mu.Lock()
		if e.pid != g.op {
			g.record(e)
			reap(e.pid)
			g.mu.Unlock()
			continue
		}
		reap(e.pid)
		g.op = 0
		// Whoever sent a signal that was passed on wants the end, however the operator came to it: it may have died of the signal
		// before it waited for it, or by itself in the same moment.
		asked := g.told != 0
		if g.wantsEnd() || asked || (e.code == cldExited && e.status == 0) {
			g.flush()
			if e.code != cldExited {
				return 128 + e.status
			}
			return e.status
		}
		if time.Since(g.began) > g.settle {
			g.quick = -1 // the next start comes at once and counts as none
		}
		g.again()
		g.mu.Unlock()
	}
}

// wantsEnd tells whether the operator said that it ends on purpose.
func (g *guardian) wantsEnd() bool {
	var b [8]byte
	n, err := syscall.Read(g.end, b[:])
	return g.end >= 0 && err == nil && n == 8
}

// record writes how a child ended, before it is reaped. Only a session leader can be a workload's main process; the others are
// their orphans and nobody asks for them. What cannot be written is kept and tried again. The lock is held.
func (g *guardian) record(e ended) {
	s, ok := readStat(e.pid)
	if !ok || s.session != e.pid {
		return
	}
	text := "exit " + strconv.Itoa(e.code) + " " + strconv.Itoa(e.status) + " " + strconv.FormatInt(time.Now().UnixNano(), 10) +
		"/" + strconv.FormatInt(awakeClock(), 10) + " " + strconv.FormatUint(pidfsInode(e.pid), 10) + " " + cgroupOf(e.pid) + "\n"
	g.kept = append(g.kept, record{name: strconv.Itoa(e.pid) + "-" + s.start, data: []byte(text), pidfd: -1})
	g.flush()
	if n := len(g.kept); n > 0 {
		g.kept[n-1].pidfd = openPidfd(e.pid) // every operator inherits it, until the record is there
	}
}

// flush writes the records that are kept, and comes back in a second while there are any. The lock is held.
func (g *guardian) flush() {
	for len(g.kept) > 0 && writeRecord(g.exits, g.kept[0].name, g.kept[0].data) {
		syscall.Close(g.kept[0].pidfd)
		g.kept = g.kept[1:]
	}
	if len(g.kept) == 0 || g.retries {
		return
	}
	g.retries = true
	time.AfterFunc(time.Second, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.retries = false
		g.flush()
	})
}
