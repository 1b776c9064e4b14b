package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// freePort is one that nobody has now.
func freePort() int {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// service is a Process with two replicas behind a stable port.
func service(port int, speaks string, args ...string) string {
	return process("svc", args, "replicas: 2", fmt.Sprintf("ports: [{name: main, servicePort: %d, appProtocol: %s}]", port, speaks),
		"readinessProbe: {tcpSocket: {port: main}, periodSeconds: 1}", "restartBackoff: {initial: 100ms}")
}

// both gives the pids of the two replicas, once they are ready and alive.
func (h *host) both() (pids []int) {
	GinkgoHelper()
	Eventually(func() int {
		pids = nil
		for _, i := range h.of("svc") {
			if i.Status.Ready && i.Status.State.Running != nil && alive(int(i.Status.PID)) {
				pids = append(pids, int(i.Status.PID))
			}
		}
		return len(pids)
	}).Should(Equal(2))
	return pids
}

var _ = Describe("a service port", func() {
	begin := func(speaks string, args ...string) (h *host, address string) {
		GinkgoHelper()
		h = newHost()
		port := freePort()
		h.write("svc.yaml", service(port, speaks, args...))
		h.start()
		h.ready()
		h.both()
		return h, "127.0.0.1:" + strconv.Itoa(port)
	}

	It("of HTTP loses no request while one of two replicas is killed", func() {
		h, address := begin("HTTP", "http", "127.0.0.1:$(PORT)")
		var answered atomic.Int64
		var mu sync.Mutex
		var failures []string
		end := make(chan struct{})
		var all sync.WaitGroup
		for i := range 4 {
			c := http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}, Timeout: 20 * time.Second}
			DeferCleanup(c.CloseIdleConnections)
			all.Go(func() {
				for {
					select {
					case <-end:
						return
					default:
					}
					res, err := c.Get("http://" + address + "/health")
					text := fmt.Sprint(err)
					if err == nil {
						body, _ := io.ReadAll(res.Body)
						res.Body.Close()
						text = res.Status + " " + string(body)
					}
					if answered.Add(1); err != nil || res.StatusCode != http.StatusOK {
						mu.Lock()
						failures = append(failures, text)
						mu.Unlock()
					}
				}
			})
		}
		stop := sync.OnceFunc(func() { close(end); all.Wait() })
		DeferCleanup(stop)
		goOn := func() {
			GinkgoHelper()
			was := answered.Load()
			Eventually(answered.Load).Should(BeNumerically(">", was+50))
		}
		for range 3 {
			goOn()
			kill(h.both()[0])
			goOn()
		}
		h.both()
		stop()
		Expect(failures).To(BeEmpty(), "of %d", answered.Load())
	})

	It("of TCP takes connections while one of two replicas is killed, and cuts only those of that one", func() {
		h, address := begin("TCP", "talk", "127.0.0.1:$(PORT)")
		pids := h.both()
		first, second := dial(address, "echo"), dial(address, "echo")
		first.echo("a")
		second.echo("b")
		kill(pids[0])
		for range 20 {
			c := dial(address, "echo")
			c.echo("c")
			Expect(c.finish()).To(MatchRegexp(`^\d+ heard 2 bytes\n$`))
		}
		cut := 0
		for _, c := range []*conversation{first, second} {
			_ = c.CloseWrite()
			if rest, err := io.ReadAll(c.in); err != nil || string(rest) != fmt.Sprintf("%d heard 2 bytes\n", pids[1]) {
				cut++
			}
		}
		Expect(cut).To(Equal(1), "they take turns, so each had one")
	})

	It("of H2C streams messages both ways and passes trailers on, while one of two replicas is killed", func(ctx SpecContext) {
		h, address := begin("H2C", "stream", "127.0.0.1:$(PORT)")
		c := &http.Client{Transport: &http.Transport{Protocols: new(http.Protocols)}}
		c.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
		DeferCleanup(c.CloseIdleConnections)
		served := map[string]*grpcCall{}
		for range 4 {
			s := openCall(ctx, c, "http://"+address+"/talk.Talk/Shout")
			Expect(s.say("who is there?")).To(Equal("WHO IS THERE?"))
			Expect(s.say("again")).To(Equal("AGAIN"), "each answer comes before the next question")
			s.hangUp()
			Expect(s.status()).To(Equal("0"))
			served[s.res.Trailer.Get("Grpc-Message")] = s
		}
		pids := h.both()
		Expect(served).To(HaveLen(2), "both replicas serve")

		a, b := openCall(ctx, c, "http://"+address+"/talk.Talk/Shout"), openCall(ctx, c, "http://"+address+"/talk.Talk/Shout")
		Expect(a.say("a")).To(Equal("A"))
		Expect(b.say("b")).To(Equal("B"))
		kill(pids[0])
		ended := 0
		for _, s := range []*grpcCall{a, b} {
			if text, err := s.say("still"); err != nil || text != "STILL" {
				ended++
				continue
			}
			s.hangUp()
			Expect(s.status()).To(Equal("0"))
			Expect(s.res.Trailer.Get("Grpc-Message")).To(Equal(fmt.Sprint(pids[1])))
		}
		Expect(ended).To(Equal(1), "the stream of the other replica goes on")
		h.both()
		for range 10 {
			s := openCall(ctx, c, "http://"+address+"/talk.Talk/Shout")
			Expect(s.say("well")).To(Equal("WELL"))
			s.hangUp()
			Expect(s.status()).To(Equal("0"))
		}
	})
})

// grpcCall is a call of gRPC with streams both ways, by hand: the framing is five bytes, and a library for it would be the largest of all.
type grpcCall struct {
	out *io.PipeWriter
	res *http.Response
}

func openCall(ctx context.Context, c *http.Client, url string) *grpcCall {
	GinkgoHelper()
	in, out := io.Pipe()
	DeferCleanup(out.Close)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, in)
	Expect(err).NotTo(HaveOccurred())
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	res, err := c.Do(r)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(res.Body.Close)
	Expect(res.StatusCode).To(Equal(http.StatusOK))
	Expect(res.ProtoMajor).To(Equal(2))
	return &grpcCall{out, res}
}

// say sends a message and reads one.
func (s *grpcCall) say(text string) (string, error) {
	if _, err := s.out.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text))), text...)); err != nil {
		return "", err
	}
	var head [5]byte
	if _, err := io.ReadFull(s.res.Body, head[:]); err != nil {
		return "", err
	}
	var b bytes.Buffer
	_, err := io.CopyN(&b, s.res.Body, int64(binary.BigEndian.Uint32(head[1:])))
	return b.String(), err
}

// hangUp ends this side.
func (s *grpcCall) hangUp() { _ = s.out.Close() }

// status reads to the end and gives what the trailers say of it.
func (s *grpcCall) status() string {
	if rest, err := io.ReadAll(s.res.Body); err != nil || len(rest) > 0 {
		return fmt.Sprintf("%q after the last message, %v", rest, err)
	}
	return strings.TrimSpace(s.res.Trailer.Get("Grpc-Status"))
}
