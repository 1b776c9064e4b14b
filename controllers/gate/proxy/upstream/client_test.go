package upstream_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// echo answers with what it was asked, in the standard server.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Uri", r.RequestURI)
	w.Header().Set("X-Host", r.Host)
	w.Header()["X-Many"] = r.Header["X-Many"]
	w.Header().Set("X-Coding", strings.Join(r.TransferEncoding, ","))
	flush := r.URL.Query().Has("flush")
	if flush {
		w.Header().Set("Trailer", "X-Sum")
	}
	w.Write(body)
	if flush {
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "42")
	}
}

func standard(h http.HandlerFunc) (*httptest.Server, upstream.Target) {
	s := httptest.NewServer(h)
	DeferCleanup(s.Close)
	u, err := url.Parse(s.URL)
	Expect(err).NotTo(HaveOccurred())
	return s, upstream.TargetOf(u)
}

var _ = Describe("Client with a standard server", func() {
	It("sends what it was given and gives what came back", func() {
		_, t := standard(echo)
		cl := newClient()
		resp, err := do(cl, t, &upstream.Request{Method: "POST", Path: "/a?b=c%20d", Body: []byte("hello"),
			Header: http.Header{"X-Many": {"1", "2"}, "Content-Length": {"99"}, "Connection": {"x-many"}, "Transfer-Encoding": {"gzip"}}})
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Status).To(Equal(200))
		Expect(resp.Length).To(Equal(int64(5)))
		Expect(io.ReadAll(resp.Body)).To(BeEquivalentTo("hello"))
		Expect(resp.Body.Close()).To(Succeed())
		Expect(resp.Header).To(And(HaveKeyWithValue("X-Method", []string{"POST"}), HaveKeyWithValue("X-Uri", []string{"/a?b=c%20d"}),
			HaveKeyWithValue("X-Host", []string{t.Host}), HaveKeyWithValue("X-Many", []string{"1", "2"}), Not(HaveKey("Connection"))))
		Expect(cl.Idle()).To(Equal(1))
	})

	It("uses one connection for one request after the other", func() {
		var conns atomic.Int32
		_, t := standard(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Remote", r.RemoteAddr); echo(w, r) })
		cl := newClient()
		last := ""
		for range 20 {
			resp, err := do(cl, t, get("/?flush"))
			Expect(err).NotTo(HaveOccurred())
			io.Copy(io.Discard, resp.Body)
			if resp.Header.Get("X-Remote") != last {
				conns.Add(1)
				last = resp.Header.Get("X-Remote")
			}
		}
		Expect(conns.Load()).To(Equal(int32(1)))
	})

	It("gives the trailer of a chunked answer", func() {
		_, t := standard(echo)
		resp, err := do(newClient(), t, &upstream.Request{Method: "PUT", Path: "/?flush", Body: []byte("x")})
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Length).To(Equal(int64(-1)))
		Expect(io.ReadAll(resp.Body)).To(BeEquivalentTo("x"))
		Expect(resp.Trailer).To(Equal(http.Header{"X-Sum": {"42"}}))
	})

	It("sends a stream in chunks, or with its length", func() {
		_, t := standard(echo)
		cl := newClient()
		text := strings.Repeat("0123456789", 30_000)
		for _, length := range []int64{-1, int64(len(text))} {
			resp, err := do(cl, t, &upstream.Request{Method: "POST", Path: "/", Stream: strings.NewReader(text), Length: length})
			Expect(err).NotTo(HaveOccurred())
			got, err := io.ReadAll(resp.Body)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(got) == text).To(BeTrue())
			Expect(resp.Header.Get("X-Coding")).To(Equal(map[bool]string{true: "chunked", false: ""}[length < 0]))
		}
		Eventually(cl.Idle).Should(Equal(1))
	})

	It("sends a large body while the answer comes back", func() {
		_, t := standard(func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).EnableFullDuplex()
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			io.Copy(w, r.Body)
		})
		big := bytes.Repeat([]byte("abcdefgh"), 2<<20)
		resp, err := do(newClient(), t, &upstream.Request{Method: "POST", Path: "/", Body: big})
		Expect(err).NotTo(HaveOccurred())
		got, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(bytes.Equal(got, big)).To(BeTrue())
	})

	It("gives an answer that begins and ends before the stream", func() {
		b := serve(func(p *peer) {
			p.request()
			p.say("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
			p.waitForEnd()
		})
		r, w := io.Pipe()
		defer w.Close()
		cl := newClient()
		resp, err := do(cl, b.Target, &upstream.Request{Method: "POST", Path: "/", Stream: r, Length: -1})
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Status).To(Equal(413))
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		_, err = w.Write([]byte("x"))
		Expect(err).To(MatchError(io.ErrClosedPipe), "the stream is closed")
		Expect(cl.Idle()).To(BeZero())
	})

	It("breaks a request off whose stream fails", func() {
		seen := make(chan error, 1)
		_, t := standard(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			seen <- err
		})
		r, w := io.Pipe()
		go func() { w.Write([]byte("half")); w.CloseWithError(io.ErrNoProgress) }()
		_, err := do(newClient(), t, &upstream.Request{Method: "POST", Path: "/", Stream: r, Length: -1})
		Expect(err).To(MatchError(io.ErrNoProgress))
		Expect(phase(err)).To(Equal(upstream.Sending))
		Expect(<-seen).To(HaveOccurred())
	})

	It("breaks a request off whose stream is shorter than it said", func() {
		seen := make(chan error, 1)
		_, t := standard(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			seen <- err
		})
		_, err := do(newClient(), t, &upstream.Request{Method: "POST", Path: "/", Stream: strings.NewReader("abc"), Length: 5})
		Expect(err).To(MatchError(ContainSubstring("2 bytes are missing")))
		Expect(<-seen).To(HaveOccurred())
	})

	It("reads no body where there is none", func() {
		_, t := standard(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/head":
				w.Header().Set("Content-Length", "1000")
			case "/204":
				w.WriteHeader(204)
			case "/304":
				w.WriteHeader(304)
			}
		})
		cl := newClient()
		for _, r := range []*upstream.Request{{Method: "HEAD", Path: "/head"}, get("/204"), get("/304"), get("/200")} {
			resp, err := do(cl, t, r)
			Expect(err).NotTo(HaveOccurred())
			Expect(resp.Length).To(BeZero())
			Expect(io.ReadAll(resp.Body)).To(BeEmpty())
			Expect(cl.Idle()).To(Equal(1), r.Path)
			if r.Method == "HEAD" {
				Expect(resp.Header.Get("Content-Length")).To(Equal("1000"))
			}
		}
	})

	It("speaks TLS with who the target names, and with nobody else", func() {
		s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
		s.Config.ErrorLog = log.New(GinkgoWriter, "", 0)
		s.StartTLS()
		DeferCleanup(s.Close)
		u, _ := url.Parse(s.URL)
		t := upstream.TargetOf(u)
		cl := newClient()
		_, err := do(cl, t, get("/"))
		Expect(phase(err)).To(Equal(upstream.Connecting), "not of the system's roots")
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		cl.TLS = &tls.Config{RootCAs: roots}
		for range 3 {
			resp, err := do(cl, t, get("/"))
			Expect(err).NotTo(HaveOccurred())
			io.Copy(io.Discard, resp.Body)
		}
		Expect(cl.Idle()).To(Equal(1))
		t.Host = "elsewhere.test"
		_, err = do(cl, t, get("/"))
		Expect(err).To(MatchError(ContainSubstring("elsewhere.test")))
	})

	It("gives the connection after a change of protocol", func() {
		b := serve(func(p *peer) {
			if r := p.request(); r.Header.Get("Upgrade") != "chat" || r.Header.Get("Connection") != "Upgrade" {
				return
			}
			p.say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nhi")
			io.Copy(struct{ io.Writer }{p}, struct{ io.Reader }{p.r}) // no splice, whose pipes stay a while
		})
		cl := newClient()
		r := get("/")
		r.Upgrade, r.FirstByte = "chat", time.Minute
		resp, err := do(cl, b.Target, r)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Status).To(Equal(101))
		Expect(resp.Header.Get("Upgrade")).To(Equal("chat"))
		resp.Switched.Write([]byte("me"))
		var buf [4]byte
		_, err = io.ReadFull(resp.Switched, buf[:])
		Expect(err).NotTo(HaveOccurred())
		Expect(string(buf[:])).To(Equal("hime"))
		Expect(resp.Switched.Close()).To(Succeed())
	})
})

var _ = DescribeTable("Client refuses to send", func(t upstream.Target, r *upstream.Request) {
	if t.Address == "" {
		t = upstream.Target{Scheme: "http", Address: "127.0.0.1:1", Host: "x"}
	}
	_, err := do(newClient(), t, r)
	Expect(phase(err)).To(Equal(upstream.Connecting))
	Expect(err).NotTo(MatchError(ContainSubstring("refused")))
},
	Entry("a path with a blank", upstream.Target{}, get("/a b")),
	Entry("a path with a line end", upstream.Target{}, get("/a\r\nX: y")),
	Entry("a path of another server", upstream.Target{}, get("http://other/")),
	Entry("no method", upstream.Target{}, &upstream.Request{Path: "/"}),
	Entry("a method of two lines", upstream.Target{}, &upstream.Request{Method: "GET / HTTP/1.1\r\n", Path: "/"}),
	Entry("CONNECT", upstream.Target{}, &upstream.Request{Method: "CONNECT", Path: "/"}),
	Entry("a header that is two", upstream.Target{}, &upstream.Request{Method: "GET", Path: "/", Header: http.Header{"A": {"b\r\nC: d"}}}),
	Entry("a header's name that is two", upstream.Target{}, &upstream.Request{Method: "GET", Path: "/", Header: http.Header{"A: b\r\nC": {"d"}}}),
	Entry("two bodies", upstream.Target{}, &upstream.Request{Method: "POST", Path: "/", Body: []byte{}, Stream: strings.NewReader("")}),
	Entry("a host of two lines", upstream.Target{Scheme: "http", Address: "127.0.0.1:1", Host: "a\r\nb"}, get("/")),
	Entry("another scheme", upstream.Target{Scheme: "ftp", Address: "127.0.0.1:1", Host: "a"}, get("/")),
)
