package apiserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// stillWatches expects that a watch tells changes long after a request's time is over.
func stillWatches(ctx context.Context, c *reconcile.Client, open func() *http.Response) {
	GinkgoHelper()
	res := open()
	defer res.Body.Close()
	Expect(res.StatusCode).To(Equal(200))
	lines := bufio.NewReader(res.Body)
	for i := range 3 {
		p := &specs.Process{Spec: specs.ProcessSpec{Command: []string{"x"}}}
		p.Name = "web-" + strconv.Itoa(i)
		_, err := c.Create(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		Expect(lines.ReadString('\n')).To(ContainSubstring(p.Name))
		<-time.After(120 * time.Millisecond) // a request's time, and more
	}
}

var _ = Describe("Serving", func() {
	It("goes on with a watch for longer than a request may take", func(ctx SpecContext) {
		o := apiserver.Options{Client: reconciletest.TempClient(GinkgoTB()), RequestTime: 50 * time.Millisecond}
		a := serve(GinkgoTB(), o)
		stillWatches(ctx, o.Client, func() *http.Response { return a.open(ctx, "GET", processes+"?watch=true", "") })
	})

	It("cuts off a watch whose client does not read", func(ctx SpecContext) {
		a := serve(GinkgoTB(), apiserver.Options{RequestTime: 50 * time.Millisecond, MaxStreams: 1})
		a.watch(processes + "?watch=true") // nobody reads it
		Expect(a.get(processes + "?watch=true").code).To(Equal(429))
		p := &specs.Process{Spec: specs.ProcessSpec{Command: []string{"x", strings.Repeat("y", 1<<20)}}}
		for i := range 10 { // more than any buffer on the way
			p.Name = "web-" + strconv.Itoa(i)
			_, err := a.client.Create(ctx, p)
			Expect(err).NotTo(HaveOccurred())
		}
		Eventually(ctx, func(g Gomega) {
			res := a.open(ctx, "GET", processes+"?watch=true&timeoutSeconds=1", "")
			defer res.Body.Close()
			g.Expect(res.StatusCode).To(Equal(200))
		}).Should(Succeed())
	})

	It("lets requests end and ends watches when it stops", func(ctx SpecContext) {
		enter, leave := make(chan bool), make(chan bool)
		path := filepath.Join(GinkgoT().TempDir(), "api.sock")
		l, err := apiserver.ListenUnix(path)
		Expect(err).NotTo(HaveOccurred())
		serving, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		s := apiserver.New(apiserver.Options{Client: reconciletest.TempClient(GinkgoTB()), Host: &fake{info: func() { enter <- true; <-leave }}})
		go func() { done <- s.Serve(serving, l) }()
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}
		DeferCleanup(transport.CloseIdleConnections)
		a := &api{t: GinkgoTB(), http: &http.Client{Transport: transport}}

		watch := a.open(ctx, "GET", processes+"?watch=true", "")
		defer watch.Body.Close()
		answered := make(chan response, 1)
		go func() { answered <- a.get("/mirroros/host") }()
		<-enter
		stop()
		b, err := io.ReadAll(watch.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(b).To(BeEmpty())
		leave <- true
		Expect((<-answered).code).To(Equal(200))
		Expect(<-done).To(Succeed())
		Expect(path).NotTo(BeAnExistingFile())
	})

	It("says when it cannot serve", func() {
		l, err := apiserver.ListenUnix(filepath.Join(GinkgoT().TempDir(), "api.sock"))
		Expect(err).NotTo(HaveOccurred())
		Expect(l.Close()).To(Succeed())
		err = apiserver.New(apiserver.Options{}).Serve(context.Background(), l)
		Expect(err).To(MatchError(ContainSubstring("cannot serve")))
	})

	It("refuses heads that are too large", func() {
		a := serve(GinkgoTB(), apiserver.Options{})
		conn, err := net.Dial("unix", a.socket)
		Expect(err).NotTo(HaveOccurred())
		defer conn.Close()
		go func() {
			_, _ = fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 1<<20))
		}()
		Expect(bufio.NewReader(conn).ReadString('\n')).To(ContainSubstring("431"))
	})
})
