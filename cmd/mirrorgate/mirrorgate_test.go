//go:build linux

package main_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

var _ = Describe("mirrorgate", Serial, func() {
	It("serves what is written down, takes up changes, and says what runs", func() {
		w := newWorld()
		g := w.gate("one")
		Eventually(w.ready).WithArguments("one").Should(Succeed())
		Expect(w.ready("other")).NotTo(Succeed())
		Expect(w.status()).To(Equal(200))
		Eventually(w.asked.Load).Should(BeEquivalentTo(1))
		w.write(proxy.ConfigFile, w.config(2, "Deny"))
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		w.line.Reload(ctx)
		Expect(w.line.Running()).To(ConsistOf(And(HaveField("Config", BeEquivalentTo(2)), HaveField("Missing", BeEmpty()))))
		Expect(w.status()).To(Equal(403))
		metrics := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", w.dir+"/run/gate-metrics.sock")
		}}}
		resp, err := metrics.Get("http://gate/metrics")
		Expect(err).NotTo(HaveOccurred())
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).To(MatchRegexp(`mirrorgate_requests_total\{gate="front".*status="403"\} 1`))
		g.Terminate()
		Eventually(g).Should(gexec.Exit(0))
		Expect(filepath.Glob(w.dir + "/run/one.sock*")).To(BeEmpty())
	})

	It("runs on the last good file when one is broken, says so, and takes up the next that is good", func() {
		w := newWorld()
		g := w.gate("one")
		Eventually(w.status).Should(Equal(200))
		path := filepath.Join(w.dir, "state/gate", proxy.ConfigFile)
		Expect(os.WriteFile(path, []byte(`{"number":2,"gates":[`), 0o600)).To(Succeed())
		w.line.Reload(context.Background())
		Expect(w.line.Running()[0]).To(And(HaveField("Config", BeEquivalentTo(1)), HaveField("Error", ContainSubstring("config.json"))))
		g.Kill().Wait()
		w.gate("two")
		Eventually(w.line.Running).Should(ContainElement(And(HaveField("Config", BeEquivalentTo(1)), HaveField("Error", ContainSubstring("the last good one runs")))))
		Expect(w.status()).To(Equal(200))
		bad := w.config(3, "Allow")
		bad.Gates[0].Rules[0].When = "no such thing"
		w.write(proxy.ConfigFile, bad)
		w.line.Reload(context.Background())
		Expect(w.line.Running()[0].Config).To(BeEquivalentTo(1))
		w.write(proxy.ConfigFile, w.config(4, "Allow"))
		w.line.Reload(context.Background())
		Expect(w.line.Running()[0]).To(And(HaveField("Config", BeEquivalentTo(4)), HaveField("Error", BeEmpty())))
	})

	It("refuses no connection while it is killed and started again", func() {
		w := newWorld()
		g := w.gate("one")
		Eventually(w.status).Should(Equal(200))
		l := w.load(6)
		for range 8 {
			was := l.ok.Load()
			Eventually(l.ok.Load).Should(BeNumerically(">", was+20))
			g.Kill().Wait()
			g = w.gate("one")
		}
		was := l.ok.Load()
		Eventually(l.ok.Load).Should(BeNumerically(">", was+20))
		l.stop()
		GinkgoWriter.Printf("%d connections, %d ok, %d cut, %d refused, %d denied\n", l.dials.Load(), l.ok.Load(), l.failed.Load(), l.refused.Load(), l.denied.Load())
		Expect(l.refused.Load()).To(BeZero())
		Expect(l.denied.Load()).To(BeZero())
		Expect(l.failed.Load()).To(BeNumerically("<=", 8*6), "only what was under way is cut")
	})

	It("hands over to another while a stream goes on, and cuts nothing", func() {
		w := newWorld()
		old := w.gate("one")
		Eventually(w.status).Should(Equal(200))
		l, stream := w.load(4), w.stream()
		for i := range 3 {
			next := w.gate("two" + strings.Repeat("x", i))
			Eventually(w.ready).WithArguments("two" + strings.Repeat("x", i)).Should(Succeed())
			old.Terminate()
			was := l.ok.Load()
			Eventually(l.ok.Load).Should(BeNumerically(">", was+20))
			old = next
		}
		var got []string
		for line := range stream {
			got = append(got, line)
		}
		l.stop()
		Expect(got).To(HaveLen(101))
		Expect(got[100]).To(Equal("data: [DONE]"))
		GinkgoWriter.Printf("%d connections, %d ok\n", l.dials.Load(), l.ok.Load())
		Expect(l.ok.Load()).To(Equal(l.dials.Load()))
	})

	It("ends when the last stream has ended, or at once when it is asked twice", func() {
		w := newWorld()
		g := w.gate("one")
		Eventually(w.status).Should(Equal(200))
		stream := w.stream()
		g.Terminate()
		Eventually(w.line.Running).Should(ConsistOf(HaveField("Draining", true)))
		Expect(g).NotTo(gexec.Exit())
		for range stream {
		}
		Eventually(g).Should(gexec.Exit(0))
		g = w.gate("two")
		Eventually(w.status).Should(Equal(200))
		stream = w.stream()
		Eventually(stream).Should(Receive())
		g.Terminate()
		Eventually(g.Err.Contents).Should(ContainSubstring("Draining"))
		g.Terminate()
		Eventually(g).Should(gexec.Exit(0))
	})

	It("goes on without the operator, and gives the sockets back to the next one", func() {
		w := newWorld()
		w.gate("one")
		Eventually(w.status).Should(Equal(200))
		l := w.load(3)
		for range 3 {
			w.stop()
			was := l.ok.Load()
			Eventually(l.ok.Load).Should(BeNumerically(">", was+20))
			w.begin()
			Eventually(w.line.Running).Should(HaveLen(1))
			Expect(w.hub.Names()).To(Equal([]string{"gate/front"}))
		}
		l.stop()
		Expect(l.ok.Load()).To(Equal(l.dials.Load()))
	})

	It("does not start without a place for its records", func() {
		w := newWorld()
		Expect(os.WriteFile(w.dir+"/state/audit", nil, 0o600)).To(Succeed())
		g := w.gate("one")
		Eventually(g).Should(gexec.Exit(1))
		Expect(string(g.Err.Contents())).To(ContainSubstring("audit"))
	})

	It("says how it is used", func() {
		run := func(args ...string) *gexec.Session {
			s, err := gexec.Start((&world{}).command("x", args...), GinkgoWriter, GinkgoWriter)
			Expect(err).NotTo(HaveOccurred())
			return s.Wait()
		}
		Expect(run("version")).To(gexec.Exit(0))
		Expect(run("serve", "--metrics", "0.0.0.0:1")).To(gexec.Exit(2))
		Expect(run("serve", "--what")).To(gexec.Exit(2))
	})
})
