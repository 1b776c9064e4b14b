package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gleak"
)

// start runs the worker; the spec fails when it does not end cleanly.
func start(args ...string) *gbytes.Buffer {
	before := gleak.Goroutines()
	out, code := gbytes.NewBuffer(), make(chan int, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { code <- run(ctx, args, out, out) }()
	DeferCleanup(func() {
		cancel()
		Eventually(code).Should(Receive(Equal(0)))
		Expect(out).To(gbytes.Say("ended\n"))
		http.DefaultClient.CloseIdleConnections()
		Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))
	})
	return out
}

var _ = Describe("The demo worker", func() {
	It("asks, prints the answer and its usage, and survives a model that is away", func() {
		GinkgoT().Setenv("OPENAI_API_KEY", "k3y")
		var away atomic.Bool
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			switch {
			case away.Load():
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprint(w, `{"error":{"message":"back soon"}}`)
			case r.Header.Get("Authorization") != "Bearer k3y":
				w.WriteHeader(http.StatusUnauthorized)
			case r.URL.Path == "/v1/models":
				fmt.Fprint(w, `{"data":[{"id":"tiny-1"}]}`)
			case r.URL.Path == "/v1/chat/completions":
				fmt.Fprint(w, `{"model":"tiny-1","choices":[{"message":{"content":"mir\nror"}}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}`)
			}
		}))
		DeferCleanup(s.Close)
		out := start("--base-url", s.URL, "--every", "5ms", "--prompt", "Say it.")
		Eventually(out).Should(gbytes.Say(`Say it. -> mir ror \(model tiny-1, tokens in 5, out 1, total 6, \S+\)\n`))
		away.Store(true)
		Eventually(out).Should(gbytes.Say(`no answer after \S+: 503 Service Unavailable back soon\n`))
		away.Store(false)
		Eventually(out).Should(gbytes.Say(`Say it. -> mir ror`))
		Expect(string(out.Contents())).NotTo(ContainSubstring("k3y"))
	})

	It("goes on when nobody listens", func() {
		s := httptest.NewServer(http.NotFoundHandler())
		url := s.URL
		s.Close()
		out := start("--base-url", url+"/v1/", "--every", "1ms", "--model", "tiny")
		Eventually(out).Should(gbytes.Say("no answer after .* refused"))
		Eventually(out).Should(gbytes.Say("no answer after .* refused"))
	})

	It("says what is wrong with its arguments", func() {
		for _, args := range [][]string{{"--base-url", "nonsense"}, {"--every", "0s"}, {"extra"}} {
			Expect(run(context.Background(), args, GinkgoWriter, GinkgoWriter)).To(Equal(2))
		}
	})
})
