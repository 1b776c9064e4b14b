package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

var _ = Describe("Memory that serves again", func() {
	It("holds nothing of one request in another, however they differ in length", func() {
		echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write(body)
		}))
		DeferCleanup(echo.Close)
		w := newWorld(strings.TrimPrefix(echo.URL, "http://"), func(w *world) {
			w.gate().MaxBodyBytes = 1 << 20
			w.gate().Routes[0].MaxOutputTokens = 7 // so that each is edited
		})
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				defer GinkgoRecover()
				for i := range 40 {
					size := []int{0, 10, 1000, 5000, 30_000, 65_300, 65_400, 70_000, 150_000}[(i*7+n)%9]
					said := strings.Repeat(fmt.Sprintf("%d-%d ", n, i), size/4+1)[:size+1]
					r := w.ask(fmt.Sprintf(`{"model":"house-chat","messages":[{"role":"user","content":%q}]}`, said))
					Expect(r.StatusCode).To(Equal(200), r.body)
					var got struct {
						Model    string
						Max      int `json:"max_tokens"`
						Messages []struct{ Content string }
					}
					Expect(json.Unmarshal([]byte(r.body), &got)).To(Succeed())
					Expect(got.Model).To(Equal("demo"))
					Expect(got.Max).To(Equal(7))
					Expect(got.Messages[0].Content == said).To(BeTrue(), "request %d of %d, of %d bytes", i, n, size)
				}
			})
		}
		all.Wait()
		for _, r := range w.book.all() {
			Expect(r.Reason).To(BeElementOf("", string(proxy.RuleAllowed)))
		}
	})
})

var _ = Describe("An answer that goes out before it is noted", func() {
	It("leaves room for the client's next request where there is room for one alone", func() {
		m := newModel(answers)
		w := newWorld(m.address(), func(w *world) { w.gate().MaxConcurrent = 1 })
		for range 100 {
			r := w.ask(chat)
			Expect(r.StatusCode).To(Equal(200), r.body)
		}
		Eventually(w.book.all).Should(HaveLen(200))
	})
})
