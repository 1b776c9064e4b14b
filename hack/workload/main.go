// Command workload is a program to be supervised: tests and benchmarks tell it how to behave.
//
//	workload run                      says start and waits for SIGTERM
//	workload stubborn                 the same, but SIGTERM does not move it
//	workload exit CODE [AFTER]        ends with a code, at once or after a duration
//	workload log [LINES] [AFTER]      writes numbered lines as fast as it can (0: for ever), then waits
//	workload http ADDR [FAILFILE]     answers GET /health with 200, or 503 while the file exists
//	workload tree                     starts a child, a daemon with a session of its own, and one by forking twice; then waits
//	workload fork                     starts a daemon with a session of its own and ends
//	workload env NAME…                prints variables and waits
//	workload reload                   says reloaded on SIGHUP
//	workload talk ADDR                serves TCP: says back what it hears, or has its say first
//	workload stream ADDR              serves HTTP/2 without TLS, in streams of messages as gRPC has them
//	workload reach PATH|URL|NET ADDR… opens files, asks URLs and connects to addresses, and says of each whether it could; $NAME is a variable
//	workload hog MIB                  uses memory, says so and waits
//	workload bomb                     forks twice for ever, each time in a session of its own
//	workload hear SOCKET              connects to a socket of packets and says how much comes before its end
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	args := append(os.Args[1:], "run")
	verb, ok := verbs[args[0]]
	if !ok {
		fmt.Fprintf(os.Stderr, "workload: unknown behaviour %q\n", args[0])
		os.Exit(2)
	}
	switch args[0] { // who reads that it started may send a signal
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	case "run", "tree", "env":
		signal.Notify(caught, syscall.SIGTERM)
	}
	fmt.Printf("start %d\n", os.Getpid())
	verb(args[1:])
}

var verbs = map[string]func(args []string){
	"run":      func([]string) { wait(syscall.SIGTERM) },
	"stubborn": func([]string) { wait(syscall.SIGUSR1) },
	"exit":     exit,
	"log":      writeLines,
	"http":     serve,
	"tree":     tree,
	"fork":     func([]string) { spawn(true, "stubborn") },
	"env":      environment,
	"reload":   reload,
	"talk":     talk,
	"stream":   stream,
	"hear":     hear,
	"hog":      hog,
	"reach":    reach,
	"bomb":     bomb,
}

// caught are signals that end a wait.
var caught = make(chan os.Signal, 1)

func wait(sig os.Signal) {
	signal.Notify(caught, sig)
	<-caught
	fmt.Println("stop")
}

func duration(args []string, i int) time.Duration {
	if i >= len(args) {
		return 0
	}
	d, _ := time.ParseDuration(args[i])
	return d
}

func exit(args []string) {
	code, _ := strconv.Atoi(args[0])
	time.Sleep(duration(args, 1))
	os.Exit(code)
}

// writeLines makes lines of exactly 100 bytes, one write each: a sequence number and padding.
func writeLines(args []string) {
	n, _ := strconv.Atoi(args[0])
	time.Sleep(duration(args, 1))
	line := make([]byte, 100)
	for i := range line {
		line[i] = '.'
	}
	line[99] = '\n'
	for i := 0; n == 0 || i < n; i++ {
		copy(line, fmt.Sprintf("%012d ", i))
		if _, err := os.Stdout.Write(line); err != nil {
			os.Exit(3)
		}
	}
	wait(syscall.SIGTERM)
}

func serve(args []string) {
	go func() { wait(syscall.SIGTERM); os.Exit(0) }()
	http.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if len(args) > 1 {
			if _, err := os.Stat(args[1]); err == nil {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
	})
	fail(http.ListenAndServe(args[0], nil))
}

func tree([]string) {
	spawn(false, "stubborn")
	spawn(true, "stubborn")
	spawn(false, "fork")
	wait(syscall.SIGTERM)
}

// spawn starts this program with another behaviour, in a session of its own or not.
func spawn(session bool, behaviour string) {
	pid, err := syscall.ForkExec("/proc/self/exe", []string{os.Args[0], behaviour},
		&syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: session}})
	fmt.Println("child", pid, err)
}

func environment(args []string) {
	w := bufio.NewWriter(os.Stdout)
	for _, a := range args {
		fmt.Fprintf(w, "%s=%s\n", a, os.Getenv(a))
	}
	_ = w.Flush()
	wait(syscall.SIGTERM)
}

func reach(args []string) {
	for len(args) > 1 { // the last is what main adds
		what, err := os.ExpandEnv(args[0]), error(nil)
		if what[0] == '/' {
			_, err = os.ReadFile(what)
			args = args[1:]
		} else if args = args[1:]; strings.HasPrefix(what, "http") {
			err = get(what)
		} else {
			var c net.Conn
			if c, err = net.DialTimeout(what, args[0], time.Second); err == nil {
				_ = c.Close()
			}
			what, args = what+" "+args[0], args[1:]
		}
		fmt.Printf("reach %s: %v\n", what, err)
	}
	wait(syscall.SIGTERM)
}

func get(url string) error {
	r, err := http.Get(url)
	if err == nil {
		_ = r.Body.Close()
		err = fmt.Errorf("status %d", r.StatusCode)
	}
	return err
}

func hog(args []string) {
	mib, _ := strconv.Atoi(args[0])
	b := make([]byte, mib<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	fmt.Printf("hogged %d MiB\n", len(b)>>20)
	wait(syscall.SIGTERM)
}

func reload([]string) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	go func() {
		for range c {
			fmt.Println("reloaded")
		}
	}()
	wait(syscall.SIGTERM)
}

func hear(args []string) {
	c, err := net.Dial("unixpacket", args[0])
	if err != nil {
		fail(err)
	}
	n, sockets := 0, 0
	for {
		b, rights := make([]byte, 1<<16), make([]byte, 1<<12)
		k, r, _, _, err := c.(*net.UnixConn).ReadMsgUnix(b, rights)
		if n, sockets = n+k, sockets+r; err != nil || k == 0 {
			break
		}
	}
	fmt.Printf("heard %d bytes, %d sockets\n", n, sockets)
}
