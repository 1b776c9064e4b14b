package upstream_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

func TestUpstream(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "upstream", cfg, rep)
}

// Whatever a backend does, a client leaves no goroutine and no descriptor once it is closed.
var _ = BeforeEach(func() {
	before, fds := gleak.Goroutines(), openFDs()
	DeferCleanup(func() {
		Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))
		Eventually(openFDs).Should(BeNumerically("<=", fds), "descriptors left")
	})
})

func openFDs() int {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// newClient is one that ends with the spec.
func newClient() *upstream.Client {
	cl := &upstream.Client{}
	DeferCleanup(cl.Close)
	return cl
}

// backend is a server that does with each connection what the spec says.
type backend struct {
	upstream.Target
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

// serve runs script for each connection, which is closed when script returns. All end with the spec.
func serve(script func(c *peer)) *backend {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	b := &backend{listener: l, Target: upstream.Target{Scheme: "http", Address: l.Addr().String(), Host: l.Addr().String()}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns = append(b.conns, c)
			b.mu.Unlock()
			running.Go(func() {
				defer c.Close()
				script(&peer{TCPConn: c.(*net.TCPConn), r: bufio.NewReader(c)})
			})
		}
	})
	DeferCleanup(func() {
		l.Close()
		b.cut()
		running.Wait()
	})
	return b
}

// accepted is how many connections there have been.
func (b *backend) accepted() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}

// cut closes every connection.
func (b *backend) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		c.Close()
	}
}

// peer is the backend's side of a connection.
type peer struct {
	*net.TCPConn
	r *bufio.Reader
}

// request reads one; nil when there is none.
func (p *peer) request() *http.Request {
	r, err := http.ReadRequest(p.r)
	if err != nil {
		return nil
	}
	return r
}

func (p *peer) say(s string) { p.Write([]byte(s)) }

// waitForEnd returns when the client has closed the connection.
func (p *peer) waitForEnd() {
	var b [512]byte
	for {
		if _, err := p.r.Read(b[:]); err != nil {
			return
		}
	}
}

func get(path string) *upstream.Request { return &upstream.Request{Method: "GET", Path: path} }

// do sends a request that must not take long.
func do(cl *upstream.Client, t upstream.Target, r *upstream.Request) (*upstream.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	DeferCleanup(cancel)
	return cl.Do(ctx, t, r)
}

// phase is the phase of an error that Do or a body gave, and whether it says that it took too long.
func phase(err error) (upstream.Phase, bool) {
	GinkgoHelper()
	var e *upstream.Error
	Expect(errors.As(err, &e)).To(BeTrue(), "%v", err)
	return e.Phase, e.Timeout
}
