package upstream_test

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// h2server serves HTTP/2 without TLS, and h2client speaks it.
func h2server(h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = upstream.Protocols()
	s.Start()
	DeferCleanup(s.Close)
	return s
}

func h2client() *http.Client {
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	DeferCleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

var _ = Describe("H2C", func() {
	forward := func(pick func() (string, bool)) (*http.Client, string) {
		h := upstream.NewH2C(pick, time.Second, log.New(GinkgoWriter, "", 0))
		DeferCleanup(h.Close)
		return h2client(), h2server(h).URL
	}
	to := func(b http.HandlerFunc) (*http.Client, string) {
		address := h2server(b).Listener.Addr().String()
		return forward(func() (string, bool) { return address, true })
	}

	It("leaves an answer that is nothing but trailers what it is", func() {
		client, url := to(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Length"] = nil // as gRPC's servers, which say none
			w.Header().Set("Grpc-Status", "5")
		})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				defer GinkgoRecover()
				for range 100 {
					resp, err := client.Post(url, "application/grpc", strings.NewReader("x"))
					Expect(err).NotTo(HaveOccurred())
					Expect(resp.ProtoMajor).To(Equal(2))
					Expect(resp.ContentLength).To(BeZero(), "the head ended the stream")
					Expect(resp.Header.Get("Grpc-Status")).To(Equal("5"))
				}
			})
		}
		all.Wait()
	})

	It("carries a stream both ways at once, and the trailer", func() {
		client, url := to(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "Grpc-Status")
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			var b [1]byte
			for {
				if _, err := r.Body.Read(b[:]); err != nil {
					break
				}
				w.Write(b[:])
				w.(http.Flusher).Flush()
			}
			w.Header().Set("Grpc-Status", "0")
		})
		body, say := io.Pipe()
		resp, err := client.Post(url, "application/grpc", body)
		Expect(err).NotTo(HaveOccurred())
		defer resp.Body.Close()
		var b [1]byte
		for _, c := range "ping-pong" {
			say.Write([]byte(string(c)))
			_, err := io.ReadFull(resp.Body, b[:])
			Expect(err).NotTo(HaveOccurred())
			Expect(string(b[:])).To(Equal(string(c)))
		}
		say.Close()
		Expect(io.ReadAll(resp.Body)).To(BeEmpty())
		Expect(resp.Trailer.Get("Grpc-Status")).To(Equal("0"))
	})

	It("answers 503 when no instance is ready, or the one that is does not answer", func() {
		client, url := forward(func() (string, bool) { return "", false })
		resp, err := client.Get(url)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.StatusCode).To(Equal(503))
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		l.Close()
		client, url = forward(func() (string, bool) { return l.Addr().String(), true })
		resp, err = client.Get(url)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.StatusCode).To(Equal(503))
	})
})
