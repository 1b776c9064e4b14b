package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

var _ = Describe("Client with a server that", func() {
	short := func(method string) *upstream.Request {
		return &upstream.Request{Method: method, Path: "/", Connect: time.Second, FirstByte: 50 * time.Millisecond, Idle: 50 * time.Millisecond}
	}

	It("refuses the connection, fails before anything was sent", func() {
		b := serve(func(*peer) {})
		b.listener.Close()
		_, err := do(newClient(), b.Target, get("/"))
		Expect(phase(err)).To(Equal(upstream.Connecting))
		Expect(err).To(MatchError(ContainSubstring("cannot connect to backend " + b.Address)))
	})

	It("hangs, gives up at the first byte's timeout", func() {
		b := serve((*peer).waitForEnd)
		_, err := do(newClient(), b.Target, short("POST"))
		p, timeout := phase(err)
		Expect(p).To(Equal(upstream.Waiting))
		Expect(timeout).To(BeTrue())
	})

	It("trickles its head, gives up at the first byte's timeout too", func() {
		b := serve(func(p *peer) {
			for _, c := range "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 10_000) {
				if _, err := p.Write([]byte(string(c))); err != nil {
					return
				}
			}
			p.waitForEnd()
		})
		_, err := do(newClient(), b.Target, short("GET"))
		p, timeout := phase(err)
		Expect(p).To(Equal(upstream.Answering))
		Expect(timeout).To(BeTrue())
	})

	It("stops within its answer, gives up at the idle timeout", func() {
		b := serve(func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			p.waitForEnd()
		})
		resp, err := do(newClient(), b.Target, short("GET"))
		Expect(err).NotTo(HaveOccurred())
		got, err := io.ReadAll(resp.Body)
		Expect(string(got)).To(Equal("half"))
		p, timeout := phase(err)
		Expect(p).To(Equal(upstream.Answering))
		Expect(timeout).To(BeTrue())
	})

	It("does not read, gives up sending at the idle timeout", func() {
		end := make(chan struct{})
		defer close(end)
		b := serve(func(*peer) { <-end })
		r := short("POST")
		r.Body = make([]byte, 64<<20)
		_, err := do(newClient(), b.Target, r)
		p, timeout := phase(err)
		Expect(p).To(Equal(upstream.Sending))
		Expect(timeout).To(BeTrue())
	})

	It("hangs, is left when the context ends", func() {
		arrived := make(chan struct{})
		b := serve(func(p *peer) { p.request(); close(arrived); p.waitForEnd() })
		ctx, cancel := context.WithCancelCause(context.Background())
		why := errors.New("the client left")
		go func() { <-arrived; cancel(why) }()
		_, err := newClient().Do(ctx, b.Target, get("/"))
		Expect(err).To(MatchError(why))
		Expect(phase(err)).To(Equal(upstream.Waiting))
	})

	It("streams for ever, is left when the context ends", func() {
		b := serve(func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for {
				if _, err := p.Write([]byte("1\r\nx\r\n")); err != nil {
					return
				}
			}
		})
		ctx, cancel := context.WithCancel(context.Background())
		resp, err := newClient().Do(ctx, b.Target, get("/"))
		Expect(err).NotTo(HaveOccurred())
		resp.Body.Read(make([]byte, 10))
		cancel()
		_, err = io.Copy(io.Discard, resp.Body)
		Expect(err).To(MatchError(context.Canceled))
	})

	It("streams for ever, is left when the body is closed", func() {
		b := serve(func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\n\r\n")
			for {
				if _, err := p.Write([]byte("x")); err != nil {
					return
				}
			}
		})
		cl := newClient()
		resp, err := do(cl, b.Target, get("/"))
		Expect(err).NotTo(HaveOccurred())
		resp.Body.Read(make([]byte, 10))
		Expect(resp.Body.Close()).To(Succeed())
		_, err = resp.Body.Read(make([]byte, 10))
		Expect(err).To(HaveOccurred())
		Expect(cl.Idle()).To(BeZero())
	})

	It("resets, says that the request was sent", func() {
		b := serve(func(p *peer) { p.request(); p.SetLinger(0) })
		_, err := do(newClient(), b.Target, &upstream.Request{Method: "POST", Path: "/", Body: []byte("x")})
		Expect(phase(err)).To(Equal(upstream.Waiting))
	})

	DescribeTable("answers by halves, gives what came and then the fault",
		func(answer, body string) {
			b := serve(func(p *peer) { p.request(); p.say(answer) })
			cl := newClient()
			resp, err := do(cl, b.Target, get("/"))
			Expect(err).NotTo(HaveOccurred())
			got, err := io.ReadAll(resp.Body)
			Expect(string(got)).To(Equal(body))
			Expect(phase(err)).To(Equal(upstream.Answering))
			Expect(cl.Idle()).To(BeZero())
		},
		Entry("of its length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "half"),
		Entry("in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", "half"),
		Entry("after a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "half"),
		Entry("before the end of the trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", "half"),
		Entry("with a chunk that is too long", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhalf\r\n0\r\n\r\n", "hal"),
		Entry("with a size that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n-1\r\n\r\n", "half"),
		Entry("with a size that overflows", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhalf", ""),
		Entry("with an extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nhalf\r\n0\r\n\r\n", ""),
		Entry("with a size in a line without CR", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\nhalf\r\n0\r\n\r\n", ""),
		Entry("with a trailer that frames", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n", "x"),
		Entry("with an endless trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"+strings.Repeat("A: b\r\n", 20_000), "x"),
	)

	DescribeTable("answers in another form, is not believed",
		func(answer string) {
			b := serve(func(p *peer) { p.request(); p.say(answer); p.waitForEnd() })
			cl := newClient()
			_, err := do(cl, b.Target, get("/"))
			Expect(phase(err)).To(Equal(upstream.Answering))
			Expect(cl.Idle()).To(BeZero())
		},
		Entry("garbage", "garbage that is no HTTP\r\n\r\n"),
		Entry("another protocol, without a line end", "SSH-2.0-OpenSSH_9.2"),
		Entry("HTTP/2", "\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
		Entry("another version", "HTTP/1.2 200 OK\r\n\r\n"),
		Entry("a status of letters", "HTTP/1.1 2x0 OK\r\n\r\n"),
		Entry("a status out of range", "HTTP/1.1 999 OK\r\n\r\n"),
		Entry("a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"),
		Entry("a control character in the reason", "HTTP/1.1 200 O\x00K\r\n\r\n"),
		Entry("a line without CR", "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n"),
		Entry("a CR alone", "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n"),
		Entry("a folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"),
		Entry("a folded first line", "HTTP/1.1 200 OK\r\n A: b\r\n\r\n"),
		Entry("a blank before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello"),
		Entry("a field without colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"),
		Entry("a field without name", "HTTP/1.1 200 OK\r\n: b\r\n\r\n"),
		Entry("NUL in a value", "HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n"),
		Entry("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
		Entry("two lengths in one", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"),
		Entry("a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"),
		Entry("a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok"),
		Entry("a length in hexadecimal digits", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok"),
		Entry("an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok"),
		Entry("an enormous length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok"),
		Entry("a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		Entry("another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
		Entry("chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		Entry("a coding that only looks like chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
		Entry("chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		Entry("endless fields", "HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", 20_000)),
		Entry("one endless field", "HTTP/1.1 200 OK\r\nA: "+strings.Repeat("b", 100_000)),
		Entry("interim answers without end", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20)+ok),
		Entry("a change of protocol that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\n"),
	)

	DescribeTable("says more than an answer, is not asked again on that connection",
		func(answer string) {
			b := serve(func(p *peer) {
				if p.request() != nil {
					p.say(answer)
					p.waitForEnd()
				}
			})
			cl := newClient()
			for range 2 {
				resp, err := do(cl, b.Target, get("/"))
				Expect(err).NotTo(HaveOccurred())
				_, err = io.Copy(io.Discard, resp.Body)
				Expect(err).NotTo(HaveOccurred())
				Expect(resp.Status).To(BeNumerically("<", 400))
			}
			Expect(b.accepted()).To(Equal(2))
		},
		Entry("a second answer", ok+"HTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n"),
		Entry("a body where there is none", "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\nHTTP/1."),
		Entry("a body after 304", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		Entry("bytes after the last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx"),
		Entry("that it closes", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n"),
		Entry("that it is of HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
	)

	It("sends interim answers first, gives the answer", func() {
		b := serve(func(p *peer) {
			p.request()
			p.say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200\r\nX: y\r\nConnection: z\r\nZ: 1\r\n\r\nall")
		})
		resp, err := do(newClient(), b.Target, get("/"))
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Header).To(Equal(http.Header{"X": {"y"}}), "and no field of this connection alone")
		Expect(resp.Length).To(Equal(int64(-1)))
		Expect(io.ReadAll(resp.Body)).To(BeEquivalentTo("all"))
	})

	It("sends byte by byte, is understood", func() {
		b := serve(func(p *peer) {
			p.request()
			for _, c := range "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n" {
				p.say(string(c))
			}
			p.waitForEnd()
		})
		cl := newClient()
		resp, err := do(cl, b.Target, get("/"))
		Expect(err).NotTo(HaveOccurred())
		Expect(io.ReadAll(resp.Body)).To(BeEquivalentTo("abc0123456789"))
		Expect(resp.Trailer.Get("X-T")).To(Equal("1"))
		Expect(cl.Idle()).To(Equal(1))
	})
})

var _ = Describe("An idle connection", func() {
	answering := func(p *peer) {
		for p.request() != nil {
			p.say(ok)
		}
	}
	use := func(cl *upstream.Client, t upstream.Target, r *upstream.Request) error {
		resp, err := do(cl, t, r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	post := func() *upstream.Request { return &upstream.Request{Method: "POST", Path: "/", Body: []byte("x")} }

	It("that the server closed is noticed before use", func() {
		b := serve(answering)
		cl := newClient()
		for range 3 {
			Expect(use(cl, b.Target, post())).To(Succeed())
			b.cut()
		}
		Expect(b.accepted()).To(Equal(3))
	})

	It("that the server closes just then costs nobody a request", func() {
		b := serve(answering)
		cl := newClient()
		Expect(use(cl, b.Target, post())).To(Succeed())
		cl.AfterLook(b.cut)
		Expect(use(cl, b.Target, post())).To(Succeed())
		Expect(b.accepted()).To(Equal(2))
	})

	It("that dies after it took the request is not tried again", func() {
		var mu sync.Mutex
		taken := 0
		b := serve(func(p *peer) {
			p.request()
			p.say(ok)
			if p.request() != nil {
				mu.Lock()
				taken++
				mu.Unlock()
			}
		})
		cl := newClient()
		Expect(use(cl, b.Target, post())).To(Succeed())
		Expect(phase(use(cl, b.Target, post()))).To(Equal(upstream.Waiting))
		mu.Lock()
		defer mu.Unlock()
		Expect(taken).To(Equal(1))
		Expect(b.accepted()).To(Equal(1))
	})

	It("is closed after the idle timeout, and kept until then", func() {
		b := serve(answering)
		cl := newClient()
		cl.IdleTimeout = 50 * time.Millisecond
		Expect(use(cl, b.Target, post())).To(Succeed())
		Expect(cl.Idle()).To(Equal(1))
		Eventually(cl.Idle).Should(BeZero())
		Expect(use(cl, b.Target, post())).To(Succeed())
		Expect(b.accepted()).To(Equal(2))
	})

	It("outlives the deadline of the request before", func() {
		b := serve(answering)
		cl := newClient()
		r := post()
		r.FirstByte = 20 * time.Millisecond
		Expect(use(cl, b.Target, r)).To(Succeed())
		Consistently(cl.Idle, "60ms").Should(Equal(1))
		Expect(use(cl, b.Target, post())).To(Succeed())
		Expect(b.accepted()).To(Equal(1))
	})

	It("is one of as many as may be", func() {
		b := serve(answering)
		cl := newClient()
		cl.MaxIdle = 2
		var open []*upstream.Response
		for range 5 {
			resp, err := do(cl, b.Target, post())
			Expect(err).NotTo(HaveOccurred())
			open = append(open, resp)
		}
		for _, resp := range open {
			io.Copy(io.Discard, resp.Body)
		}
		Expect(cl.Idle()).To(Equal(2))
	})

	It("does not survive a context that ended with the answer", func() {
		b := serve(answering)
		cl := newClient()
		for range 200 {
			ctx, cancel := context.WithCancel(context.Background())
			resp, err := cl.Do(ctx, b.Target, post())
			Expect(err).NotTo(HaveOccurred())
			go cancel()
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			cancel()
			Expect(use(cl, b.Target, post())).To(Succeed(), "whoever ended before, the next one is served")
		}
	})
})
