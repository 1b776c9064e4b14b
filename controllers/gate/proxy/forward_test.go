package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile/audit"
)

// closed is an address where nobody listens.
func closed() string {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	Expect(l.Close()).To(Succeed())
	return l.Addr().String()
}

// saying takes connections and says the same on each, whatever comes.
func saying(text string) string {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 64<<10)
			_, _ = c.Read(buf)
			_, _ = io.WriteString(c, text)
			_ = c.Close()
		}
	}()
	DeferCleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

// hanging never answers until the test ends.
func hanging() *model {
	done := make(chan struct{})
	m := newModel(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	DeferCleanup(func() { close(done) })
	return m
}

func failing(w http.ResponseWriter, _ *http.Request) { http.Error(w, "overloaded", 503) }

var _ = Describe("Forwarding", func() {
	fallback := func(on ...string) func(*world) {
		return func(w *world) {
			r := &w.gate().Routes[0]
			r.Fallbacks = []proxy.BackendConfig{{Name: "process/second", Endpoints: "second:http", Model: "other", Weight: 1}}
			r.FallbackOn, r.FirstByte = on, 100*time.Millisecond
		}
	}

	DescribeTable("falls back for the reasons of the route, and for no other",
		func(first func() string, on []string, status int, reason string) {
			second := newModel(answers)
			w := newWorld("", func(w *world) {
				fallback(on...)(w)
				w.ready.Ready = map[string][]string{"second:http": {second.address()}}
				if at := first(); at != "" {
					w.ready.Ready["demo:http"] = []string{at}
				}
			})
			r := w.ask(chat)
			Expect(r.StatusCode).To(Equal(status), r.body)
			Expect(r.reason()).To(Equal(reason))
			if status != 200 {
				Expect(second.calls()).To(BeZero())
				return
			}
			body, _, _ := second.last()
			Expect(body).To(ContainSubstring(`"model":"other"`))
			Expect(w.records(r.id(), 2)[1].Backend).To(Equal("process/second"))
		},
		Entry("not ready", func() string { return "" }, []string{"NotReady"}, 200, ""),
		Entry("not ready, unnamed", func() string { return "" }, []string{"ConnectError"}, 503, "BackendNotReady"),
		Entry("refuses the connection", closed, []string{"ConnectError"}, 200, ""),
		Entry("refuses the connection, unnamed", closed, []string{"NotReady"}, 502, "ConnectError"),
		Entry("fails", func() string { return newModel(failing).address() }, []string{"Status5xx"}, 200, ""),
		Entry("fails, unnamed", func() string { return newModel(failing).address() }, []string{"NotReady"}, 503, ""),
		Entry("hangs", func() string { return hanging().address() }, []string{"FirstByteTimeout"}, 200, ""),
		Entry("hangs, unnamed", func() string { return hanging().address() }, []string{"NotReady"}, 504, "FirstByteTimeout"),
		Entry("breaks off before its answer, which may have begun to act", func() string { return saying("") },
			[]string{"NotReady", "ConnectError", "Status5xx", "FirstByteTimeout"}, 502, "BackendBroken"),
		Entry("is no HTTP", func() string { return saying("hello\r\n\r\n") }, []string{"ConnectError"}, 502, "BackendBroken"),
	)

	It("tries the other addresses of a backend when one cannot be reached", func() {
		m := newModel(answers)
		w := newWorld(m.address(), func(w *world) {
			w.ready.Ready["demo:http"] = []string{closed(), closed(), m.address()}
			w.gate().Routes[0].FallbackOn = nil
		})
		for range 10 {
			Expect(w.ask(chat).StatusCode).To(Equal(200))
		}
	})

	It("never falls back to a more remote place", func() {
		second := newModel(answers)
		w := newWorld(closed(), func(w *world) {
			fallback("ConnectError", "NotReady")(w)
			w.gate().Rules[0].AllowRemote = true
			w.gate().Routes[0].Fallbacks[0].Remote = true
			w.ready.Ready["second:http"] = []string{second.address()}
		})
		Expect(w.ask(chat).reason()).To(Equal("ConnectError"))
		w.ready.Ready["demo:http"] = nil
		Expect(w.server.Update(nil, w.ready, nil)).To(Succeed())
		Expect(w.ask(chat).reason()).To(Equal("BackendNotReady"))
		Expect(second.calls()).To(BeZero())
	})

	It("splits by weight, takes a weight of 0 out, and takes the least busy address", func() {
		a, b, never := newModel(answers), newModel(answers), newModel(answers)
		w := newWorld("", func(w *world) {
			w.gate().Routes[0].Backends = []proxy.BackendConfig{{Name: "a", URL: a.URL, Weight: 30}, {Name: "b", URL: b.URL + "/base/", Weight: 10},
				{Name: "c", URL: never.URL}}
		})
		for range 200 {
			Expect(w.ask(chat).StatusCode).To(Equal(200))
		}
		Expect(never.calls()).To(BeZero())
		Expect(a.calls()).To(BeNumerically("~", 150, 40)) // six sigma
		_, _, path := b.last()
		Expect(path).To(Equal("/base" + chatPath))
	})

	It("tells the backend its own credentials and none of the caller's", func() {
		file := filepath.Join(GinkgoT().TempDir(), "key")
		Expect(os.WriteFile(file, []byte("secret-key\n"), 0o600)).To(Succeed())
		m := newModel(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", "a=b")
			w.Header().Set("X-Other", "kept")
			w.Header().Set("X-MirrorGate-Rule", "forged")
			w.Header().Set("Keep-Alive", "timeout=5")
			answers(w, r)
		})
		w := newWorld(m.address(), func(w *world) {
			b := &w.gate().Routes[0].Backends[0]
			b.AuthHeader, b.AuthPrefix, b.AuthFile = "Authorization", "Bearer ", file
		})
		req := w.request("POST", chatPath, chat)
		for name, value := range map[string]string{"X-Api-Key": "coder-token", "Cookie": "s=1", "X-Forwarded-For": "1.2.3.4", "Connection": "X-Drop",
			"X-Drop": "1", "X_Api_Key": "1", "Te": "trailers", "X-Keep": "1", "OpenAI-Beta": "x", "X-MirrorGate-Decision": "Allowed"} {
			req.Header.Set(name, value)
		}
		r := w.do(req)
		Expect(r.StatusCode).To(Equal(200), r.body)
		_, head, _ := m.last()
		Expect(head).To(And(HaveKeyWithValue("Authorization", []string{"Bearer secret-key"}), HaveKey("X-Keep"), HaveKey("Openai-Beta")))
		for _, name := range []string{"X-Api-Key", "Cookie", "X-Forwarded-For", "X-Drop", "X_Api_Key", "Te", "Connection", "X-Mirrorgate-Decision"} {
			Expect(head).NotTo(HaveKey(name))
		}
		Expect(r.Header.Get("X-Other")).To(Equal("kept"))
		Expect(r.Header).NotTo(Or(HaveKey("Set-Cookie"), HaveKey("Keep-Alive")))
		Expect(r.Header.Values("X-MirrorGate-Rule")).To(Equal([]string{"agents-may-chat"}))
		Expect(fmt.Sprint(w.book.all())).NotTo(ContainSubstring("secret-key"))
	})

	It("refuses when the credentials for the backend are gone, and uses new ones soon", func() {
		m := newModel(answers)
		file := filepath.Join(GinkgoT().TempDir(), "key")
		w := newWorld(m.address(), func(w *world) {
			b := &w.gate().Routes[0].Backends[0]
			b.AuthHeader, b.AuthFile = "X-Key", file
		})
		r := w.ask(chat)
		Expect(r.StatusCode).To(Equal(502))
		Expect(r.reason()).To(Equal("BackendAuth"))
		Expect(r.body).NotTo(ContainSubstring(file))
		Expect(os.WriteFile(file, []byte("one"), 0o600)).To(Succeed())
		later := time.Now().Add(2 * time.Second)
		w.now.Store(&later)
		Expect(w.ask(chat).StatusCode).To(Equal(200))
	})

	DescribeTable("an answer that breaks off is never taken for whole",
		func(head string) {
			w := newWorld(saying("HTTP/1.1 200 OK\r\n"+head), nil)
			resp, err := w.client.Do(w.request("POST", chatPath, chat))
			Expect(err).NotTo(HaveOccurred())
			defer resp.Body.Close()
			if resp.StatusCode == 200 {
				_, err = io.ReadAll(resp.Body)
				Expect(err).To(HaveOccurred())
			}
			outcome := w.records(resp.Header.Get("X-MirrorGate-Request-Id"), 2)[1]
			Expect(outcome).To(And(HaveField("Decision", audit.Failed), HaveField("Reason", "BackendBroken"), HaveField("Stage", 8)))
		},
		Entry("short", "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"),
		Entry("long", "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"),
		Entry("chunks", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
		Entry("events", "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata:x\r\n"),
	)

	It("has a stream that hangs end in the stream's own way", func() {
		done := make(chan struct{})
		m := newModel(func(w http.ResponseWriter, r *http.Request) {
			sse(`{"choices":[]}`)(w, r)
			<-done
		})
		DeferCleanup(func() { close(done) })
		w := newWorld(m.address(), func(w *world) { w.gate().Routes[0].Idle = 50 * time.Millisecond })
		resp, err := w.client.Do(w.request("POST", chatPath, `{"model":"house-chat","stream":true}`))
		Expect(err).NotTo(HaveOccurred())
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		Expect(err).To(HaveOccurred())
		Expect(string(text)).To(And(HavePrefix("data: {\"choices\":[]}\n\nevent: error\ndata: {\"error\":{"), HaveSuffix("}\n\n"), ContainSubstring("IdleTimeout")))
		Expect(w.records(resp.Header.Get("X-MirrorGate-Request-Id"), 2)[1].Reason).To(Equal("IdleTimeout"))
	})

	It("ends a request that takes longer than its route allows", func() {
		w := newWorld(hanging().address(), func(w *world) { w.gate().Routes[0].Request = 50 * time.Millisecond })
		r := w.ask(chat)
		Expect(r.StatusCode).To(Equal(504))
		Expect(r.reason()).To(Equal("RequestTimeout"))
	})

	It("reads on when the client goes, so that the usage is known", func() {
		left := make(chan struct{})
		m := newModel(func(w http.ResponseWriter, r *http.Request) {
			sse(`{"choices":[{"delta":{"content":"a"}}]}`)(w, r)
			<-left
			sse(`{"choices":[{"delta":{"content":"b"}}]}`, `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`, "[DONE]")(w, r)
		})
		w := newWorld(m.address(), nil)
		resp, err := w.client.Do(w.request("POST", chatPath, `{"model":"house-chat","stream":true}`))
		Expect(err).NotTo(HaveOccurred())
		_, err = bufio.NewReader(resp.Body).ReadString('\n')
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		close(left)
		outcome := w.records(resp.Header.Get("X-MirrorGate-Request-Id"), 2)[1]
		Expect(outcome.OutputTokens).To(Equal(int64(2)))
	})

	It("passes large answers on as they are", func() {
		large := strings.Repeat(`{"x":"`+strings.Repeat("y", 1000)+`"}`, 1000)
		m := newModel(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"data":[`+large+`],"usage":{"prompt_tokens":5}}`)
		})
		w := newWorld(m.address(), nil)
		r := w.ask(chat)
		Expect(r.body == `{"data":[`+large+`],"usage":{"prompt_tokens":5}}`).To(BeTrue())
		Expect(w.records(r.id(), 2)[1].InputTokens).To(Equal(int64(5)))
	})
})
