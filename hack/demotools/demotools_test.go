package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
)

func TestDemotools(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(10 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "demotools", cfg, rep)
}

var _ = Describe("The demo tools", func() {
	var url string
	BeforeEach(func() {
		before := gleak.Goroutines()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			ended <- serve(ctx, l, func() time.Time { return time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC) }, false)
		}()
		DeferCleanup(func() {
			cancel()
			Eventually(ended).Should(Receive(BeNil()))
			http.DefaultClient.CloseIdleConnections()
			Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))
		})
		url = "http://" + l.Addr().String() + "/mcp"
	})
	ask := func(args ...string) (string, int) {
		var out bytes.Buffer
		code := run(context.Background(), append([]string{"call", "--url", url}, args...), &out, &out)
		return out.String(), code
	}

	It("are listed, and called", func() {
		out, code := ask()
		Expect(code).To(BeZero(), out)
		for _, name := range []string{"clock", "weather", "notes", "wipe"} {
			Expect(out).To(ContainSubstring(name + "\t"))
		}
		out, code = ask("clock", `{"zone": "Europe/Berlin"}`)
		Expect(code).To(BeZero(), out)
		Expect(out).To(Equal("Fri, 27 Nov 2026 13:00:00 CET\n"))
		first, _ := ask("weather", `{"place": "Pankow"}`)
		again, _ := ask("weather", `{"place": "Pankow"}`)
		Expect(first).To(And(ContainSubstring("a toy model"), Equal(again)))
		out, _ = ask("notes", `{"add": "milk"}`)
		Expect(out).To(ContainSubstring("1 notes"))
		out, _ = ask("wipe")
		Expect(out).To(ContainSubstring("1 notes are gone"))
	})

	It("say what is wrong", func() {
		out, code := ask("clock", `{"zone": "Nowhere"}`)
		Expect(code).To(Equal(1), out)
		Expect(out).To(ContainSubstring("no time zone"))
		_, code = ask("weather", `{"place": 7}`)
		Expect(code).To(Equal(1))
		_, code = ask("clock", `[]`)
		Expect(code).To(Equal(2))
		_, code = ask("nothing")
		Expect(code).To(Equal(1))
	})
})
