package probe_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/probe"
)

// serve starts a server and returns its port.
func serve(h http.HandlerFunc) int {
	s := httptest.NewServer(h)
	DeferCleanup(s.Close)
	return portOf(s.URL)
}

func portOf(addr string) int {
	GinkgoHelper()
	u, err := url.Parse(addr)
	Expect(err).NotTo(HaveOccurred())
	n, err := strconv.Atoi(u.Port())
	Expect(err).NotTo(HaveOccurred())
	return n
}

// deafPort accepts connections and never says a word.
func deafPort() int {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(l.Close)
	return l.Addr().(*net.TCPAddr).Port
}

func closedPort() int {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	Expect(l.Close()).To(Succeed())
	return l.Addr().(*net.TCPAddr).Port
}

func get(h probe.HTTP) probe.Result {
	return probe.Probe{HTTP: &h, Timeout: 2 * time.Second}.Run(context.Background())
}

var _ = Describe("HTTP", func() {
	DescribeTable("judges by the status",
		func(code int, want probe.Status) {
			port := serve(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(code)
				fmt.Fprint(w, "because of the moon")
			})
			r := get(probe.HTTP{Port: port, Path: "/health?deep=1"})
			Expect(r.Status).To(Equal(want))
			if want == probe.Failure {
				Expect(r.Output).To(Equal(fmt.Sprintf("GET /health: %d %s: because of the moon", code, http.StatusText(code))))
			}
		},
		Entry("200", 200, probe.Success), Entry("206", 206, probe.Success), Entry("302 without a place", 302, probe.Success),
		Entry("400", 400, probe.Failure), Entry("401", 401, probe.Failure), Entry("500", 500, probe.Failure), Entry("503", 503, probe.Failure),
	)

	It("sends the request as declared, past any proxy of the environment", func() {
		GinkgoT().Setenv("HTTP_PROXY", "http://127.0.0.1:1")
		got := make(chan *http.Request, 1)
		port := serve(func(_ http.ResponseWriter, r *http.Request) { got <- r })
		Expect(get(probe.HTTP{Port: port, Path: "x?y=z", Headers: [][2]string{{"Host", "inner.example"}, {"X-A", "1"}, {"x-a", "2"}}}).Status).To(Equal(probe.Success))
		r := <-got
		Expect(r.Method + " " + r.RequestURI).To(Equal("GET /x?y=z"))
		Expect(r.UserAgent()).To(Equal("mirroros-probe"))
		Expect(r.Host).To(Equal("inner.example"))
		Expect(r.Header.Values("X-A")).To(Equal([]string{"1", "2"}))
		Expect(r.Close).To(BeTrue())
	})

	It("follows redirects on the same host only", func() {
		elsewhere := make(chan string, 1)
		other := serve(func(_ http.ResponseWriter, r *http.Request) { elsewhere <- r.URL.Path })
		port := serve(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/same":
				http.Redirect(w, r, "/bad", http.StatusFound)
			case "/other":
				http.Redirect(w, r, fmt.Sprintf("http://127.0.0.1:%d/", other), http.StatusFound)
			case "/round":
				http.Redirect(w, r, "/round", http.StatusFound)
			default:
				w.WriteHeader(http.StatusTeapot)
			}
		})
		Expect(get(probe.HTTP{Port: port, Path: "/same"}).Status).To(Equal(probe.Failure))
		Expect(get(probe.HTTP{Port: port, Path: "/other"}).Status).To(Equal(probe.Success))
		Expect(elsewhere).NotTo(Receive())
		Expect(get(probe.HTTP{Port: port, Path: "/round"}).Status).To(Equal(probe.Failure))
	})

	It("does not verify certificates, and tells TLS from plain", func() {
		s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.Config.ErrorLog = nil
		DeferCleanup(s.Close)
		Expect(get(probe.HTTP{Port: portOf(s.URL), TLS: true}).Status).To(Equal(probe.Success))
		Expect(get(probe.HTTP{Port: portOf(s.URL)}).Status).To(Equal(probe.Failure))
		port := serve(func(http.ResponseWriter, *http.Request) {})
		Expect(get(probe.HTTP{Port: port, TLS: true}).Output).To(ContainSubstring("HTTP response to HTTPS client"))
	})

	It("never prints the value of a header, though the server does", func() {
		port := serve(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "%q %s", r.Header.Get("Authorization"), strings.ToUpper(r.Header.Get("Authorization")))
		})
		r := get(probe.HTTP{Port: port, Headers: [][2]string{{"Authorization", "Bearer s3cret"}}})
		Expect(r).To(Equal(probe.Result{Status: probe.Failure, Output: "GET /: 403 Forbidden"}))
		r = get(probe.HTTP{Port: port, Headers: [][2]string{{"X-Key", "s3cret\nbroken"}}})
		Expect(r.Status).NotTo(Equal(probe.Success))
		Expect(r.Output).NotTo(ContainSubstring("s3cret"))
	})

	It("reads a bounded part of an endless answer", func() {
		port := serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/bad" {
				w.WriteHeader(http.StatusInternalServerError)
			}
			for {
				if _, err := w.Write([]byte(strings.Repeat("ä", 4096))); err != nil {
					return
				}
			}
		})
		Expect(get(probe.HTTP{Port: port}).Status).To(Equal(probe.Success))
		r := get(probe.HTTP{Port: port, Path: "/bad"})
		Expect(r.Status).To(Equal(probe.Failure))
		Expect(len(r.Output)).To(And(BeNumerically("<=", 1024), BeNumerically(">", 1000)))
	})

	It("says why there was no answer", func() {
		r := get(probe.HTTP{Port: closedPort(), Path: "/h"})
		Expect(r).To(Equal(probe.Result{Status: probe.Failure, Output: "GET /h: connection refused"}))
	})
})

var _ = Describe("Every probe", func() {
	It("ends at its timeout", func() {
		port := deafPort()
		for _, p := range []probe.Probe{
			{HTTP: &probe.HTTP{Port: port}},
			{HTTP: &probe.HTTP{Port: port, TLS: true}},
			{GRPC: &probe.GRPC{Port: port}},
			{Exec: &probe.Exec{Command: []string{"sleep", "60"}, Env: []string{"PATH=/usr/bin:/bin"}}},
		} {
			p.Timeout = 60 * time.Millisecond
			start := time.Now()
			r := p.Run(context.Background())
			Expect(time.Since(start)).To(And(BeNumerically(">=", p.Timeout), BeNumerically("<", p.Timeout+time.Second)))
			Expect(r.Status).To(Equal(probe.Failure))
			Expect(r.Output).To(HavePrefix("no answer within 60ms"))
		}
	})

	It("is Unknown when it was broken off, or there is nothing to ask", func() {
		ctx, cancel := context.WithCancel(context.Background())
		asked := make(chan struct{})
		port := serve(func(_ http.ResponseWriter, r *http.Request) {
			close(asked)
			<-r.Context().Done()
		})
		go func() { <-asked; cancel() }()
		Expect(probe.Probe{HTTP: &probe.HTTP{Port: port}, Timeout: time.Minute}.Run(ctx).Status).To(Equal(probe.Unknown))
		Expect(probe.Probe{}.Run(context.Background()).Status).To(Equal(probe.Unknown))
	})
})

var _ = Describe("TCP", func() {
	It("succeeds when somebody accepts", func() {
		r := probe.Probe{TCP: &probe.TCP{Port: deafPort()}}.Run(context.Background())
		Expect(r).To(Equal(probe.Result{Status: probe.Success}))
	})
	It("fails when nobody does", func() {
		port := closedPort()
		r := probe.Probe{TCP: &probe.TCP{Host: "localhost", Port: port}}.Run(context.Background())
		Expect(r).To(Equal(probe.Result{Status: probe.Failure, Output: fmt.Sprintf("cannot connect to localhost:%d: connection refused", port)}))
	})
})
