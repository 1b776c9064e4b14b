//go:build linux

package main_test

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// one budget over everybody, with these limits.
func one(number int64, limits ...ledger.Limit) ledger.Config {
	return ledger.Config{Number: number, Budgets: []ledger.Budget{{Name: "all", All: true, Currency: "EUR", Limits: limits}},
		Principals: []ledger.Principal{{Name: "system/anonymous", Type: "System"}}}
}

func limit(name string, m ledger.Measure, amount int64) ledger.Limit {
	return ledger.Limit{Name: name, Measure: m, Amount: amount, OnExceeded: ledger.Deny}
}

// spent is what the ledger of a world says of the limits of a config, in its order.
func (w *world) spent(c ledger.Config) (out []ledger.LimitReport) {
	GinkgoHelper()
	r, err := ledger.OpenReader(filepath.Join(w.dir, "state/gate/ledger"))
	Expect(err).NotTo(HaveOccurred())
	defer r.Close()
	reports, err := r.Report(c, time.Now())
	Expect(err).NotTo(HaveOccurred())
	Expect(reports).To(HaveLen(len(c.Budgets)))
	Expect(reports[0].Accounts).To(HaveLen(1))
	return reports[0].Accounts[0].Limits
}

// backed has the world's route go to a handler, for up to 2000 requests at once.
func (w *world) backed(number int64, handler http.HandlerFunc, price *proxy.Price) {
	GinkgoHelper()
	s := httptest.NewServer(handler)
	DeferCleanup(s.Close)
	c := w.config(number, "Allow")
	c.Gates[0].MaxConcurrent, c.Gates[0].Durable = 2000, true
	c.Gates[0].Routes[0].Backends[0].Price = price
	c.Gates[0].Routes[0].DefaultOutputTokens = 100
	w.write(proxy.ConfigFile, c)
	w.write(proxy.EndpointsFile, proxy.Endpoints{Number: number, Ready: map[string][]string{"demo:http": {s.Listener.Addr().String()}}})
}

var _ = Describe("mirrorgate and its budgets", Serial, func() {
	It("passes as many calls as a budget admits, of a thousand at once, and none more after it was killed", func() {
		w := newWorld()
		var served atomic.Int64
		w.backed(2, func(rw http.ResponseWriter, _ *http.Request) {
			served.Add(1)
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprint(rw, `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}`)
		}, &proxy.Price{PerCall: 2_000_000_000})
		c := one(1, limit("calls", ledger.Requests, 137), limit("money", ledger.Cost, 1_000_000_000_000), limit("tokens", ledger.Tokens, 1_000_000))
		w.write(ledger.ConfigFile, c)
		g := w.gate("one")
		Eventually(w.ready).WithArguments("one").Should(Succeed())
		Expect(w.line.Running()).To(ConsistOf(And(HaveField("Budgets", BeEquivalentTo(1)), HaveField("LedgerError", BeEmpty()))))
		var passed, refused, other atomic.Int64
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				status, err := w.ask()
				switch {
				case err == nil && status == 200:
					passed.Add(1)
				case err == nil && status == 429:
					refused.Add(1)
				default:
					other.Add(1)
				}
			})
		}
		all.Wait()
		Expect(passed.Load()).To(BeEquivalentTo(137))
		Expect(refused.Load()).To(BeEquivalentTo(1000 - 137))
		Expect(served.Load()).To(BeEquivalentTo(137))
		g.Kill().Wait()
		w.gate("two")
		Eventually(w.ready).WithArguments("two").Should(Succeed())
		Expect(w.status()).To(Equal(429), "a restart gives nothing back")
		Eventually(func() int64 { return w.spent(c)[0].Reserved }).Should(BeZero())
		s := w.spent(c)
		Expect(s[0].Used).To(BeEquivalentTo(137))
		Expect(s[1].Used).To(BeEquivalentTo(137 * 2_000_000_000))
		// What was settled just before the kill may not have been in the file: then it is charged in full, and never less.
		Expect(s[2].Used).To(BeNumerically(">=", 137*7))
	})

	It("charges what the backend served, when callers go away at any moment of their streams", func() {
		seed := GinkgoRandomSeed()
		GinkgoWriter.Println("seed", seed)
		w := newWorld()
		var served atomic.Int64
		var working sync.WaitGroup
		w.backed(2, func(rw http.ResponseWriter, _ *http.Request) {
			working.Add(1)
			defer working.Done()
			rw.Header().Set("Content-Type", "text/event-stream")
			const n = 40
			for range n {
				fmt.Fprint(rw, "data: {\"choices\":[{\"delta\":{\"content\":\"word\"}}]}\n\n")
				rw.(http.Flusher).Flush()
			}
			served.Add(5 + n)
			fmt.Fprintf(rw, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":%d}}\n\n", n)
		}, nil)
		c := one(1, limit("tokens", ledger.Tokens, 10_000_000))
		w.write(ledger.ConfigFile, c)
		w.gate("one")
		Eventually(w.ready).WithArguments("one").Should(Succeed())
		var all sync.WaitGroup
		for i := range 16 {
			random := rand.New(rand.NewSource(seed + int64(i)))
			all.Go(func() {
				client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
				for range 20 {
					resp, err := client.Post("http://"+w.addr+"/v1/chat/completions", "application/json",
						strings.NewReader(`{"model":"house","stream":true,"messages":[{"role":"user","content":"x"}]}`))
					if err != nil {
						continue
					}
					_, _ = io.CopyN(io.Discard, resp.Body, random.Int63n(3000))
					resp.Body.Close()
				}
			})
		}
		all.Wait()
		Eventually(func() int64 { return w.spent(c)[0].Reserved }).Should(BeZero())
		working.Wait()
		Expect(w.spent(c)[0].Used).To(Equal(served.Load()))
		Expect(served.Load()).To(BeEquivalentTo(16 * 20 * 45))
	})

	It("takes up budgets as they are written, keeps the last good ones, and refuses where it knows none", func() {
		w := newWorld()
		g := w.gate("one")
		Eventually(w.status).Should(Equal(200))
		Expect(filepath.Join(w.dir, "state/gate/ledger")).NotTo(BeADirectory(), "nobody has a budget")
		w.write(ledger.ConfigFile, one(1, limit("calls", ledger.Requests, 0)))
		w.line.Reload(context.Background())
		Expect(w.line.Running()).To(ConsistOf(HaveField("Budgets", BeEquivalentTo(1))))
		Expect(w.status()).To(Equal(429))
		bad := one(2, ledger.Limit{Name: "a", Measure: ledger.Tokens, Amount: 9, OnExceeded: ledger.Deny, Window: ledger.Window{Calendar: ledger.Day, Zone: "Europe/Nowhere"}})
		w.write(ledger.ConfigFile, bad)
		w.write(proxy.ConfigFile, w.config(2, "Allow"))
		w.line.Reload(context.Background())
		Expect(w.line.Running()).To(ConsistOf(And(HaveField("Budgets", BeEquivalentTo(1)), HaveField("Config", BeEquivalentTo(2)),
			HaveField("Error", And(ContainSubstring("budgets.json"), ContainSubstring("the last good one runs"))))))
		Expect(w.status()).To(Equal(429))
		g.Kill().Wait()
		g = w.gate("two")
		Eventually(w.ready).WithArguments("two").Should(Succeed())
		Expect(w.status()).To(Equal(429), "the last good ones are on the disk")
		g.Kill().Wait()
		Expect(os.Remove(filepath.Join(w.dir, "state/gate", ledger.ConfigFile+".good"))).To(Succeed())
		w.gate("three")
		Eventually(w.ready).WithArguments("three").Should(Succeed())
		Expect(w.status()).To(Equal(503), "there are budgets, and nobody knows which")
		w.write(ledger.ConfigFile, ledger.Config{Number: 3})
		w.line.Reload(context.Background())
		Expect(w.status()).To(Equal(200))
	})

	It("refuses a call that cannot be accounted for with words, and is no worse for it", func() {
		w := newWorld()
		w.backed(2, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, `{}`) }, &proxy.Price{OutputPerMillion: 1 << 50})
		w.write(ledger.ConfigFile, one(1, limit("money", ledger.Cost, 1<<60)))
		w.gate("one")
		Eventually(w.ready).WithArguments("one").Should(Succeed())
		resp, err := http.Post("http://"+w.addr+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"house","max_tokens":2000000000,"n":2000000}`))
		Expect(err).NotTo(HaveOccurred())
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.StatusCode).To(Equal(400), string(said))
		Expect(string(said)).To(And(ContainSubstring("cannot account for a call"), ContainSubstring("Unaccountable")))
		Expect(w.line.Running()).To(ConsistOf(HaveField("LedgerError", BeEmpty())), "no caller can make the ledger look broken")
	})

	It("refuses calls while the ledger does not work, says so, and goes on when it does", func() {
		w := newWorld()
		path := filepath.Join(w.dir, "state/gate/ledger")
		Expect(os.WriteFile(path, nil, 0o600)).To(Succeed())
		w.write(ledger.ConfigFile, one(1, limit("calls", ledger.Requests, 1)))
		g := w.gate("one")
		Eventually(w.ready).WithArguments("one").Should(Succeed())
		Expect(w.status()).To(Equal(503))
		Expect(w.line.Running()).To(ConsistOf(HaveField("LedgerError", ContainSubstring("cannot open the ledger"))))
		Expect(os.Remove(path)).To(Succeed())
		Eventually(w.status).Within(3 * time.Second).Should(Equal(200))
		Eventually(w.line.Running).Should(ConsistOf(HaveField("LedgerError", BeEmpty())))
		Expect(w.status()).To(Equal(429))
		g.Terminate()
		Eventually(g).Should(gexec.Exit(0))
	})
})
