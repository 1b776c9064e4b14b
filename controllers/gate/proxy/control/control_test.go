//go:build linux

package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/controllers/gate/sockets"
)

func TestControl(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "control", cfg, rep)
}

// operator is one life of the operator's side.
type operator struct {
	*control.Server
	hub  *sockets.Hub
	stop func()

	mu     sync.Mutex // guards what follows
	counts []control.Counts
	gone   []string
	allow  error
}

func (o *operator) told() []control.Counts {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]control.Counts(nil), o.counts...)
}

func (o *operator) left() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.gone...)
}

func begin(dir string, change ...func(*operator)) *operator {
	GinkgoHelper()
	o := &operator{}
	for _, c := range change {
		c(o)
	}
	o.hub = sockets.Open(sockets.Options{Pass: func(name string) { o.Pass(name) }})
	var err error
	o.Server, err = control.Listen(control.ServerOptions{Path: filepath.Join(dir, "gate.sock"), Sockets: o.hub,
		Allow: func(pid int) error {
			if pid != os.Getpid() {
				return errors.New("another process")
			}
			return o.allow
		},
		Log: logged("operator"),
		Count: func(_ string, c control.Counts) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.counts = append(o.counts, c)
		},
		Gone: func(p string) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.gone = append(o.gone, p)
		}})
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		Eventually(done).Should(Receive(BeNil()))
		o.hub.Close()
	})
	DeferCleanup(o.stop)
	return o
}

func logged(who string) logr.Logger {
	return funcr.New(func(_, text string) { GinkgoWriter.Println(who, text) }, funcr.Options{})
}

// gate is one gate.
type gate struct {
	*control.Client
	stop func()

	mu      sync.Mutex // guards what follows
	held    map[string]*os.File
	running control.Running
	reloads int
	counts  control.Counts
}

func connect(dir, instance string) *gate {
	g := &gate{held: map[string]*os.File{}}
	g.Client = control.NewClient(control.ClientOptions{Path: filepath.Join(dir, "gate.sock"),
		Hello: func() (control.Hello, []*os.File) {
			g.mu.Lock()
			defer g.mu.Unlock()
			h := control.Hello{Instance: instance, PID: 1, Began: time.Unix(5, 0), Version: "v", Running: g.running}
			var files []*os.File
			for name, f := range g.held {
				h.Sockets, files = append(h.Sockets, name), append(files, dup(f))
			}
			return h, files
		},
		Take: func(name string, f *os.File) {
			g.mu.Lock()
			defer g.mu.Unlock()
			if old := g.held[name]; old != nil {
				old.Close()
			}
			g.held[name] = f
		},
		Reload: func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.reloads++
			g.running.Config = int64(g.reloads)
		},
		Running: func() control.Running { g.mu.Lock(); defer g.mu.Unlock(); return g.running },
		Log:     logged("gate " + instance),
		Counts:  func() control.Counts { g.mu.Lock(); defer g.mu.Unlock(); return g.counts },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { g.Run(ctx); close(done) }()
	g.stop = sync.OnceFunc(func() {
		cancel()
		Eventually(done).Should(BeClosed())
		for _, f := range g.held {
			f.Close()
		}
	})
	DeferCleanup(g.stop)
	return g
}

// config is the number that the gate runs.
func (g *gate) config() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running.Config
}

func dup(f *os.File) *os.File {
	raw, err := f.SyscallConn()
	Expect(err).NotTo(HaveOccurred())
	n := -1
	Expect(raw.Control(func(fd uintptr) { n, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })).To(Succeed())
	Expect(err).NotTo(HaveOccurred())
	return os.NewFile(uintptr(n), "copy")
}

// addresses where a gate's sockets listen, by name.
func (g *gate) addresses() map[string]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[string]string{}
	for name, f := range g.held {
		l, err := net.FileListener(f)
		if err != nil {
			continue
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		out[name] = l.Addr().String()
		l.Close()
	}
	return out
}

func (g *gate) count(change func(*control.Counts)) {
	g.mu.Lock()
	change(&g.counts)
	g.mu.Unlock()
	g.Count()
}

func open() int {
	entries, err := os.ReadDir("/proc/self/fd")
	Expect(err).NotTo(HaveOccurred())
	return len(entries)
}

func shortly() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	DeferCleanup(cancel)
	return ctx
}

var _ = Describe("the line between operator and gate", Serial, func() {
	var dir string
	BeforeEach(func() { dir = GinkgoT().TempDir() })

	It("passes sockets, has files loaded, and tells what runs", func() {
		before := open()
		o, g := begin(dir), connect(dir, "a")
		bound, faults := o.hub.Ensure(map[string]string{"x": "127.0.0.1:0", "y": "unix:" + dir + "/y"})
		Expect(faults).To(BeEmpty())
		Eventually(g.addresses).Should(Equal(map[string]string{"x": bound["x"], "y": dir + "/y"}))
		Eventually(o.Running).Should(HaveLen(1))
		was := o.Running()[0].Config
		o.Reload(shortly())
		Expect(o.Running()[0].Config).To(BeNumerically(">", was))
		g.mu.Lock()
		g.running.Missing = []string{"z"}
		g.mu.Unlock()
		g.Tell()
		Eventually(func() []string { return o.Running()[0].Missing }).Should(Equal([]string{"z"}))
		Expect(o.Gates()[0]).To(And(HaveField("PID", os.Getpid()), HaveField("Instance", "a")), "as the kernel has it")
		g.stop()
		Eventually(o.Running).Should(BeEmpty())
		Expect(o.left()).To(HaveLen(1))
		o.stop()
		Eventually(open).Should(Equal(before))
	})

	It("waits for no gate that does not answer longer than it is told", func() {
		o := begin(dir)
		c, err := net.Dial("unixpacket", dir+"/gate.sock")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(c.Close)
		Expect(c.Write([]byte(`{"hello":{"instance":"mute"}}`))).NotTo(BeZero())
		Eventually(o.Running).Should(HaveLen(1))
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		o.Reload(ctx)
		Expect(ctx.Err()).To(MatchError(context.DeadlineExceeded))
	})

	It("is there for two gates at once", func() {
		o := begin(dir)
		a, b := connect(dir, "a"), connect(dir, "b")
		Eventually(o.Running).Should(HaveLen(2))
		bound, _ := o.hub.Ensure(map[string]string{"x": "127.0.0.1:0"})
		Eventually(a.addresses).Should(Equal(bound))
		Eventually(b.addresses).Should(Equal(bound))
		a.stop()
		Eventually(o.Gates).Should(ConsistOf(HaveField("Instance", "b")))
		o.Reload(shortly())
		Expect(b.config()).To(BeNumerically(">", 0))
	})

	It("brings sockets back to an operator that lost them, and connects again each time", func() {
		o, g := begin(dir), connect(dir, "a")
		wanted := map[string]string{"any": "127.0.0.1:0", "unix": "unix:" + dir + "/u"}
		for i := range 100 { // more than one packet holds
			wanted[fmt.Sprint("n", i)] = "127.0.0.1:0"
		}
		bound, faults := o.hub.Ensure(wanted)
		Expect(faults).To(BeEmpty())
		Eventually(g.addresses).Should(HaveLen(102))
		wanted["fixed"] = bound["any"]
		delete(wanted, "any")
		bound, faults = o.hub.Ensure(wanted)
		Expect(faults).To(BeEmpty())
		Eventually(g.addresses).Should(HaveKeyWithValue("fixed", bound["fixed"]))
		for range 3 {
			o.stop() // and nobody keeps its sockets
			o = begin(dir, func(o *operator) { o.allow = errors.New("not yet") })
			_, faults := o.hub.Ensure(wanted)
			Expect(faults).To(HaveKeyWithValue("fixed", ContainSubstring("in use by control.test (pid")))
			Expect(faults).To(HaveKeyWithValue("unix", ContainSubstring("in use by another program")))
			Expect(faults).To(HaveLen(2))
			o.stop()
			o = begin(dir)
			_, faults = o.hub.Ensure(wanted)
			Expect(faults).To(HaveLen(2))
			Eventually(func() map[string]string { again, _ := o.hub.Ensure(wanted); return again }).Should(Equal(bound))
			Eventually(g.addresses).Should(HaveKeyWithValue("fixed", bound["fixed"]))
		}
	})

	It("tells counters together, and only those that changed", func() {
		o, g := begin(dir), connect(dir, "a")
		g.count(func(c *control.Counts) {
			c.Gates = []control.GateCount{{Name: "a", Requests: 1}, {Name: "b", Requests: 1}}
			for i := range 150 {
				c.Rules = append(c.Rules, control.RuleCount{Name: fmt.Sprint(i), Hits: 1})
			}
			for i := range 120 { // names as long as they may be
				name := fmt.Sprintf("%063d", i)
				c.Budgets = append(c.Budgets, control.BudgetCount{BudgetAccount: control.BudgetAccount{Budget: name, Limit: name, Principal: "process/" + name}, Exceeded: 1 << 60, Last: time.Now()})
			}
		})
		Eventually(o.told).Should(HaveLen(4), "more than one packet holds")
		Expect(o.told()[2].Budgets).To(HaveLen(100))
		Expect(o.told()[3].Budgets).To(HaveLen(20))
		first := time.Now()
		for range 1000 {
			g.count(func(c *control.Counts) {
				c.Gates = []control.GateCount{{Name: "a", Requests: c.Gates[0].Requests + 1}, c.Gates[1]}
			})
		}
		Eventually(o.told).Should(HaveLen(5))
		Expect(time.Since(first)).To(BeNumerically(">", 900*time.Millisecond))
		Expect(o.told()[4]).To(Equal(control.Counts{Gates: []control.GateCount{{Name: "a", Requests: 1001}}}))
		o.stop()
		o = begin(dir)
		Eventually(o.told).Should(ContainElement(HaveField("Gates", HaveLen(2))), "a new operator knows none")
	})

	It("hangs up on whoever is no gate, or does not behave as one, and keeps nothing of theirs", func() {
		o := begin(dir)
		o.hub.Ensure(nil)
		good := connect(dir, "good")
		Eventually(o.Running).Should(HaveLen(1))
		before := open()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		f, err := l.(*net.TCPListener).File()
		Expect(err).NotTo(HaveOccurred())
		n := int(f.Fd())
		say := func(text string, fds ...int) *net.UnixConn {
			c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: dir + "/gate.sock", Net: "unixpacket"})
			Expect(err).NotTo(HaveOccurred())
			var rights []byte
			if len(fds) > 0 {
				rights = syscall.UnixRights(fds...)
			}
			_, _, err = c.WriteMsgUnix([]byte(text), rights, nil)
			Expect(err).NotTo(HaveOccurred())
			return c
		}
		many := make([]int, 200)
		for i := range many {
			many[i] = n
		}
		hello, _ := json.Marshal(map[string]any{"hello": control.Hello{Instance: "bad", Sockets: []string{"x"}}})
		for _, c := range []*net.UnixConn{
			say("nonsense", n),
			say(`{}`), say(`{"running":{}}`),
			say(string(hello)), say(string(hello), n, n), say(string(hello), many...),
			say(`{"hello":{"sockets":["a"]},"x":"`+string(make([]byte, 100000))+`"}`, n),
			say(""),
		} {
			_, err := c.Read(make([]byte, 10))
			Expect(err).To(HaveOccurred(), "hung up on")
			c.Close()
		}
		c := say(string(hello), n) // it is taken for a gate, but its socket is not wanted
		Eventually(o.Running).Should(HaveLen(2))
		_, _, err = c.WriteMsgUnix([]byte(`{"hello":{}}`), nil, nil)
		Expect(err).NotTo(HaveOccurred())
		Eventually(o.Running).Should(HaveLen(1))
		c.Close()
		f.Close()
		l.Close()
		Eventually(open).Should(Equal(before))
		o.Reload(shortly())
		Expect(good.config()).To(BeNumerically(">", 0))
	})

	It("is not held up by a gate that does not read", func() {
		o := begin(dir)
		c, err := net.Dial("unixpacket", dir+"/gate.sock")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(c.Close)
		Expect(c.Write([]byte(`{"hello":{"instance":"stuck"}}`))).NotTo(BeZero())
		Eventually(o.Running).Should(HaveLen(1))
		for range 100 {
			o.Pass("none")
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			o.Reload(ctx)
		}
		good := connect(dir, "good")
		bound, _ := o.hub.Ensure(map[string]string{"x": "127.0.0.1:0"})
		Eventually(good.addresses).Should(Equal(bound))
	})

	It("lets in a gate that was refused before, when it is known", func() {
		o := begin(dir, func(o *operator) { o.allow = errors.New("not yet") })
		connect(dir, "a")
		Consistently(o.Running, "50ms").Should(BeEmpty())
		o.stop()
		o = begin(dir)
		Eventually(o.Running).Should(HaveLen(1))
	})

	It("does not take the place of an operator that listens", func() {
		begin(dir)
		_, err := control.Listen(control.ServerOptions{Path: dir + "/gate.sock"})
		Expect(err).To(MatchError(ContainSubstring("another operator")))
	})
})
