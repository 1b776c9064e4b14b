package proxy_test

import (
	"io"
	"net/http"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

var _ = Describe("an address that is taken out", func() {
	It("is left when the last request to it has ended, and gets no new one meanwhile", func() {
		arrived, release := make(chan struct{}, 1), make(chan struct{})
		old := newModel(func(w http.ResponseWriter, r *http.Request) {
			arrived <- struct{}{}
			<-release
			answers(w, r)
		})
		young := newModel(answers)
		w := newWorld(old.address(), nil)
		ended := make(chan int, 1)
		req := w.request("POST", chatPath, chat)
		go func() {
			resp, err := w.client.Do(req)
			if err != nil {
				ended <- 0
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			ended <- resp.StatusCode
		}()
		Eventually(arrived).Should(Receive())
		Expect(w.server.Running().Leaving).To(BeEmpty())
		Expect(w.server.Update(nil, &proxy.Endpoints{Number: 2, Ready: map[string][]string{"demo:http": {young.address()}}}, nil)).To(Succeed())
		Expect(w.server.Running().Leaving).To(Equal([]string{old.address()}))
		Expect(w.ask(chat).StatusCode).To(Equal(http.StatusOK))
		Expect(young.calls()).To(Equal(1))
		close(release)
		Eventually(ended).Should(Receive(Equal(http.StatusOK)))
		Eventually(func() []string { return w.server.Running().Leaving }).Should(BeEmpty())
	})

	It("is not gone to by a request that chose it before", func() {
		old, young := newModel(answers), newModel(answers)
		var w *world
		w = newWorld(old.address(), nil)
		w.book.before = func() { // between the choice and the way there
			w.book.before = nil
			Expect(w.server.Update(nil, &proxy.Endpoints{Number: 2, Ready: map[string][]string{"demo:http": {young.address()}}}, nil)).To(Succeed())
			Expect(w.server.Running().Leaving).To(BeEmpty())
		}
		Expect(w.ask(chat).StatusCode).To(Equal(http.StatusOK))
		Expect(old.calls()).To(BeZero())
		Expect(young.calls()).To(Equal(1))
	})

	It("is not missed by a request that chose it before its route went elsewhere", func() {
		old, young := newModel(answers), newModel(answers)
		var w *world
		w = newWorld(old.address(), nil)
		w.book.before = func() {
			w.book.before = nil
			c := *w.config
			c.Number, c.Gates = c.Number+1, slices.Clone(c.Gates)
			c.Gates[0].Routes = slices.Clone(c.Gates[0].Routes)
			for i := range c.Gates[0].Routes {
				r := &c.Gates[0].Routes[i]
				r.Backends = slices.Clone(r.Backends)
				for j := range r.Backends {
					r.Backends[j].Endpoints = "other:http"
				}
			}
			Expect(w.server.Update(&c, &proxy.Endpoints{Number: 2, Ready: map[string][]string{"other:http": {young.address()}}}, nil)).To(Succeed())
		}
		Expect(w.ask(chat).StatusCode).To(Equal(http.StatusOK))
		Expect(old.calls()).To(BeZero())
		Expect(young.calls()).To(Equal(1))
	})
})
