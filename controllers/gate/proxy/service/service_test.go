package service_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"mirroros.dev/mirroros/controllers/gate/proxy/service"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

func TestService(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "service", cfg, rep)
}

var _ = BeforeEach(func() {
	before := gleak.Goroutines()
	DeferCleanup(func() { Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before)) })
})

// ready is a list of addresses that a test changes.
type ready struct{ atomic.Pointer[[]string] }

func (r *ready) set(addresses ...string) { r.Store(&addresses) }
func (r *ready) get() []string           { return *r.Load() }

// port serves one, to its end.
func port(protocol string, instances ...string) (*service.Server, string, *ready) {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	r := &ready{}
	r.set(instances...)
	client := &upstream.Client{}
	DeferCleanup(client.Close)
	s, err := service.Serve(l, service.Options{Name: "web:http", Protocol: protocol, Ready: r.get, Client: client})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	return s, l.Addr().String(), r
}

// instance answers with its name.
func instance(name string, h http.HandlerFunc) string {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Instance", name)
		if h != nil {
			h(w, r)
		}
	}))
	s.Config.Protocols = upstream.Protocols()
	s.Start()
	DeferCleanup(s.Close)
	return s.Listener.Addr().String()
}

// nobody is an address that refuses.
func nobody() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	return l.Addr().String()
}

func client() *http.Client {
	tr := &http.Transport{DisableCompression: true}
	DeferCleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func who(c *http.Client, address string) string {
	GinkgoHelper()
	resp, err := c.Get("http://" + address)
	Expect(err).NotTo(HaveOccurred())
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.Header.Get("X-Instance")
}

var _ = Describe("A port of HTTP", func() {
	It("has its instances take turns, and passes over one that cannot be reached", func() {
		_, address, r := port(service.HTTP, instance("a", nil), instance("b", nil))
		c := client()
		Expect([]string{who(c, address), who(c, address), who(c, address)}).To(SatisfyAny(
			Equal([]string{"a", "b", "a"}), Equal([]string{"b", "a", "b"})))
		r.set(nobody(), instance("c", nil), nobody())
		for range 5 {
			Expect(who(c, address)).To(Equal("c"))
		}
	})

	It("passes requests and answers on as they are", func() {
		_, address, _ := port(service.HTTP, instance("a", func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header()["Content-Type"] = nil
			w.Header().Set("Trailer", "X-Sum")
			fmt.Fprintf(w, "%s %s %s %d %q %q", r.Method, r.RequestURI, r.Host, len(body), r.Header["X-A"], r.Header.Get("X-Hop"))
			w.(http.Flusher).Flush()
			w.Header().Set("X-Sum", "7")
		}))
		for _, length := range []int64{-1, 100_000, 5} {
			r, _ := http.NewRequest("PUT", "http://"+address+"/a//b/%2e?c=;d", io.LimitReader(neverEnding{}, max(length, 70_000*-length)))
			r.ContentLength, r.Host = length, "name.test"
			r.Header = http.Header{"X-A": {"1", "2"}, "X-Hop": {"x"}, "Connection": {"x-hop"}}
			resp, err := client().Do(r)
			Expect(err).NotTo(HaveOccurred())
			got, err := io.ReadAll(resp.Body)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(got)).To(Equal(fmt.Sprintf(`PUT /a//b/%%2e?c=;d name.test %d ["1" "2"] ""`, max(length, 70_000*-length))))
			Expect(resp.Header).NotTo(HaveKey("Content-Type"))
			Expect(resp.Trailer.Get("X-Sum")).To(Equal("7"))
		}
	})

	It("passes a stream on piece by piece, both ways", func() {
		_, address, _ := port(service.HTTP, instance("a", func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).EnableFullDuplex()
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			buf := make([]byte, 1)
			for {
				if _, err := r.Body.Read(buf); err != nil {
					return
				}
				w.Write(buf)
				w.(http.Flusher).Flush()
			}
		}))
		body, say := io.Pipe()
		resp, err := client().Post("http://"+address, "x/y", body)
		Expect(err).NotTo(HaveOccurred())
		buf := make([]byte, 1)
		for _, c := range "ping" {
			say.Write([]byte(string(c)))
			_, err := io.ReadFull(resp.Body, buf)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(buf)).To(Equal(string(c)))
		}
		say.Close()
		Expect(io.ReadAll(resp.Body)).To(BeEmpty())
	})

	It("answers early when the instance does, though the client still sends", func() {
		_, address, _ := port(service.HTTP, rawInstance(func(c net.Conn, r *bufio.Reader) {
			http.ReadRequest(r)
			io.WriteString(c, "HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
		}))
		c, err := net.Dial("tcp", address)
		Expect(err).NotTo(HaveOccurred())
		defer c.Close()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n") // and nothing more
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.StatusCode).To(Equal(413))
		Expect(io.ReadAll(resp.Body)).To(BeEquivalentTo("no"))
	})

	It("joins what changes its protocol, and keeps it when the instances change", func() {
		s, address, r := port(service.HTTP, rawInstance(func(c net.Conn, r *bufio.Reader) {
			http.ReadRequest(r)
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: upgrade\r\nX-Key: k\r\n\r\nhi")
			io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{r})
		}))
		c, err := net.Dial("tcp", address)
		Expect(err).NotTo(HaveOccurred())
		defer c.Close()
		io.WriteString(c, "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: chat\r\n\r\nearly")
		br := bufio.NewReader(c)
		resp, err := http.ReadResponse(br, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.StatusCode).To(Equal(101))
		Expect(resp.Header.Get("X-Key")).To(Equal("k"))
		Expect(resp.Header.Get("Upgrade")).To(Equal("chat"))
		buf := make([]byte, 7)
		_, err = io.ReadFull(br, buf)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(buf)).To(Equal("hiearly"))
		r.set()
		drained := make(chan struct{})
		go func() { defer close(drained); s.Drain(context.Background()) }()
		Eventually(func() error { _, err := net.Dial("tcp", address); return err }).Should(HaveOccurred())
		io.WriteString(c, "still")
		_, err = io.ReadFull(br, buf[:5])
		Expect(err).NotTo(HaveOccurred())
		Expect(drained).NotTo(BeClosed())
		c.Close()
		Eventually(drained).Should(BeClosed())
	})

	DescribeTable("tells of instances that fail", func(status int, instances func() []string) {
		_, address, _ := port(service.HTTP, instances()...)
		resp, err := client().Get("http://" + address)
		Expect(err).NotTo(HaveOccurred())
		resp.Body.Close()
		Expect(resp.StatusCode).To(Equal(status))
	},
		Entry("none is ready", 503, func() []string { return nil }),
		Entry("none can be reached", 503, func() []string { return []string{nobody(), nobody()} }),
		Entry("one speaks no HTTP", 502, func() []string {
			return []string{rawInstance(func(c net.Conn, r *bufio.Reader) { http.ReadRequest(r); io.WriteString(c, "what?\r\n\r\n") })}
		}),
		Entry("one ends without an answer", 502, func() []string {
			return []string{rawInstance(func(_ net.Conn, r *bufio.Reader) { http.ReadRequest(r) })}
		}),
	)

	It("asks another instance when one breaks off before its answer, but only what does no more when it is done twice", func() {
		var asked atomic.Int64
		dies := instance("dies", func(http.ResponseWriter, *http.Request) {
			asked.Add(1)
			panic(http.ErrAbortHandler)
		})
		_, address, _ := port(service.HTTP, dies, dies, instance("lives", nil))
		c := client()
		for range 6 {
			Expect(who(c, address)).To(Equal("lives"))
		}
		Expect(asked.Load()).To(BeNumerically(">", 0))
		statuses := []int{}
		for range 3 { // each has its turn as the first
			resp, err := c.Post("http://"+address, "text/plain", strings.NewReader("once"))
			Expect(err).NotTo(HaveOccurred())
			resp.Body.Close()
			statuses = append(statuses, resp.StatusCode)
		}
		Expect(statuses).To(ConsistOf(502, 502, 200))
	})

	It("breaks an answer off that the instance breaks off", func() {
		_, address, _ := port(service.HTTP, rawInstance(func(c net.Conn, r *bufio.Reader) {
			http.ReadRequest(r)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
		}))
		resp, err := client().Get("http://" + address)
		Expect(err).NotTo(HaveOccurred())
		got, err := io.ReadAll(resp.Body)
		Expect(string(got)).To(Equal("half"))
		Expect(err).To(HaveOccurred())
	})

	It("leaves the instance when the client leaves", func() {
		left := make(chan struct{})
		_, address, _ := port(service.HTTP, instance("a", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); close(left) }))
		ctx, cancel := context.WithCancel(context.Background())
		r, _ := http.NewRequestWithContext(ctx, "GET", "http://"+address, nil)
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := client().Do(r)
		Expect(err).To(MatchError(context.Canceled))
		Eventually(left).Should(BeClosed())
	})

	It("drains without a failed request under load", func() {
		s, address, _ := port(service.HTTP, instance("a", nil), instance("b", nil))
		var all sync.WaitGroup
		var served atomic.Int64
		for range 8 {
			all.Go(func() {
				defer GinkgoRecover()
				c, err := net.Dial("tcp", address)
				Expect(err).NotTo(HaveOccurred())
				defer c.Close()
				br := bufio.NewReader(c)
				for last := false; !last; { // until the server asks to go
					io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
					resp, err := http.ReadResponse(br, nil)
					Expect(err).NotTo(HaveOccurred())
					io.Copy(io.Discard, resp.Body)
					Expect(resp.StatusCode).To(Equal(200))
					last = resp.Close
					served.Add(1)
				}
			})
		}
		Eventually(served.Load).Should(BeNumerically(">", 100))
		s.Drain(context.Background())
		all.Wait()
	})
})

var _ = Describe("A port of TCP", func() {
	It("joins each connection and an instance, and keeps it there", func() {
		echo := func(c net.Conn, r *bufio.Reader) { io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{r}) }
		_, address, r := port(service.TCP, nobody(), rawInstance(echo))
		c, err := net.Dial("tcp", address)
		Expect(err).NotTo(HaveOccurred())
		defer c.Close()
		io.WriteString(c, "one")
		buf := make([]byte, 3)
		_, err = io.ReadFull(c, buf)
		Expect(err).NotTo(HaveOccurred())
		r.set()
		io.WriteString(c, "two")
		_, err = io.ReadFull(c, buf)
		Expect(err).NotTo(HaveOccurred())
		other, err := net.Dial("tcp", address)
		if err == nil {
			defer other.Close()
			_, err = other.Read(buf)
		}
		Expect(err).To(HaveOccurred(), "no instance is ready")
	})

	It("cuts what there is when its time to drain is over", func() {
		s, address, _ := port(service.TCP, rawInstance(func(_ net.Conn, r *bufio.Reader) { r.ReadByte() }))
		c, err := net.Dial("tcp", address)
		Expect(err).NotTo(HaveOccurred())
		defer c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		s.Drain(ctx)
		Expect(ctx.Err()).To(HaveOccurred())
		_, err = c.Read(make([]byte, 1))
		Expect(err).To(HaveOccurred())
	})
})

var _ = It("A port of H2C forwards both versions to HTTP/2", func() {
	_, address, _ := port(service.H2C, instance("a", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	two := &http.Transport{Protocols: new(http.Protocols)}
	two.Protocols.SetUnencryptedHTTP2(true)
	DeferCleanup(two.CloseIdleConnections)
	for _, c := range []*http.Client{client(), {Transport: two}} {
		resp, err := c.Get("http://" + address)
		Expect(err).NotTo(HaveOccurred())
		Expect(io.ReadAll(resp.Body)).To(BeEquivalentTo("HTTP/2.0"))
	}
})

var _ = It("A port of another protocol is refused", func() {
	_, err := service.Serve(nil, service.Options{Name: "web:x", Protocol: "SCTP"})
	Expect(err).To(MatchError(ContainSubstring(`cannot serve port "web:x"`)))
})

// rawInstance does with each connection what the script says.
func rawInstance(script func(net.Conn, *bufio.Reader)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	running.Go(func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			running.Go(func() {
				defer c.Close()
				script(c, bufio.NewReader(c))
			})
		}
	})
	DeferCleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return l.Addr().String()
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return copy(p, strings.Repeat("x", len(p))), nil }
