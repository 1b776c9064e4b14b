//go:build linux

package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/controllers/gate/sockets"
)

// world is the operator's side of a gate, with a model behind it.
type world struct {
	dir   string
	addr  string
	hub   *sockets.Hub
	line  *control.Server
	stop  func()
	mu    sync.Mutex // guards pids
	pids  map[int]bool
	asked atomic.Int64 // requests, as the gate told
}

// model answers at once, or streams for as long as a request asks it to.
func model() *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"id":"1","object":"chat.completion","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		t := time.NewTicker(20 * time.Millisecond)
		defer t.Stop()
		for n := range 100 {
			fmt.Fprintf(w, "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%d\"}}]}\n\n", n)
			w.(http.Flusher).Flush()
			<-t.C
		}
		fmt.Fprint(w, "data: [DONE]\n\n")
	}))
	DeferCleanup(s.Close)
	return s
}

func newWorld() *world {
	GinkgoHelper()
	w := &world{dir: GinkgoT().TempDir(), pids: map[int]bool{}}
	for _, d := range []string{"state/gate", "run"} {
		Expect(os.MkdirAll(filepath.Join(w.dir, d), 0o700)).To(Succeed())
	}
	address := model().Listener.Addr().String()
	w.write(proxy.ConfigFile, w.config(1, "Allow"))
	w.write(proxy.EndpointsFile, proxy.Endpoints{Number: 1, Ready: map[string][]string{"demo:http": {address}}})
	w.write(proxy.IdentitiesFile, proxy.Identities{Number: 1, Principals: []proxy.PrincipalEntry{{Name: "system/anonymous", Type: "System"}}})
	w.begin()
	return w
}

// config of one gate whose only rule does this.
func (w *world) config(number int64, action string) proxy.Config {
	return proxy.Config{Number: number, Gates: []proxy.GateConfig{{
		Name: "front", Listener: "gate/front", Anonymous: true, MaxBodyBytes: 64 << 10, MaxConcurrent: 64, Audit: "Metadata",
		Routes: []proxy.RouteConfig{{Name: "chat", Protocol: proxy.OpenAI, Locality: proxy.LocalFirst, Models: []string{"house"},
			Backends: []proxy.BackendConfig{{Name: "process/demo", Endpoints: "demo:http", Weight: 1}}}},
		Rules: []proxy.RuleConfig{{Name: "all", All: true, Action: action}},
	}}}
}

func (w *world) write(name string, v any) {
	GinkgoHelper()
	b, err := json.Marshal(v)
	Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(w.dir, "state/gate", name)
	Expect(os.WriteFile(path+".new", b, 0o600)).To(Succeed())
	Expect(os.Rename(path+".new", path)).To(Succeed())
}

// begin is a new life of the operator, which has nothing of the one before.
func (w *world) begin() {
	GinkgoHelper()
	w.hub = sockets.Open(sockets.Options{Pass: func(name string) { w.line.Pass(name) }})
	line, err := control.Listen(control.ServerOptions{Path: filepath.Join(w.dir, "run/gate.sock"), Sockets: w.hub,
		Allow: func(pid int) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if !w.pids[pid] {
				return errors.New("unknown")
			}
			return nil
		},
		Count: func(_ string, c control.Counts) {
			for _, g := range c.Gates {
				w.asked.Store(g.Requests)
			}
		}})
	Expect(err).NotTo(HaveOccurred())
	w.line = line
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- line.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		Eventually(done).Should(Receive(BeNil()))
		w.hub.Close()
	})
	DeferCleanup(w.stop)
	want := "127.0.0.1:0"
	if w.addr != "" {
		want = w.addr
	}
	bound, _ := w.hub.Ensure(map[string]string{"gate/front": want})
	if w.addr == "" {
		w.addr = bound["gate/front"]
	}
}

// gate starts one; it may not be ready yet.
func (w *world) gate(instance string) *gexec.Session {
	GinkgoHelper()
	cmd := w.command(instance)
	w.mu.Lock()
	s, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
	if err == nil {
		w.pids[s.Command.Process.Pid] = true
	}
	w.mu.Unlock()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { s.Kill().Wait() })
	return s
}

func (w *world) command(instance string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.Command(self, args...)
	cmd.Env = []string{asGate, "MIRROROS_STATE=" + w.dir + "/state", "MIRROROS_RUN=" + w.dir + "/run", "MIRROROS_INSTANCE=" + instance}
	return cmd
}

func (w *world) ready(instance string) error { return w.command(instance, "ready").Run() }

// ask makes one request by a connection of its own.
func (w *world) ask() (int, error) {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := c.Post("http://"+w.addr+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"house","messages":[{"role":"user","content":"x"}]}`))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func (w *world) status() int { n, _ := w.ask(); return n }

// stream begins a stream of 100 events over two seconds; what it gets, it sends.
func (w *world) stream() <-chan string {
	GinkgoHelper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Post("http://"+w.addr+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"house","stream":true,"messages":[{"role":"user","content":"x"}]}`))
	Expect(err).NotTo(HaveOccurred())
	Expect(resp.StatusCode).To(Equal(200))
	lines := make(chan string, 300)
	go func() {
		defer close(lines)
		defer resp.Body.Close()
		s := bufio.NewScanner(resp.Body)
		for s.Scan() {
			if s.Text() != "" {
				lines <- s.Text()
			}
		}
		if err := s.Err(); err != nil {
			lines <- err.Error()
		}
	}()
	return lines
}

// load is clients that each open a connection for every request.
type load struct {
	dials, refused, ok, failed, denied atomic.Int64
	stop                               func()
}

func (w *world) load(clients int) *load {
	l := &load{}
	end := make(chan struct{})
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				l.dials.Add(1)
				status, err := w.ask()
				var op *net.OpError
				switch {
				case errors.As(err, &op) && op.Op == "dial":
					l.refused.Add(1)
				case err != nil:
					l.failed.Add(1)
				case status == 200:
					l.ok.Add(1)
				default:
					l.denied.Add(1)
				}
			}
		})
	}
	l.stop = sync.OnceFunc(func() { close(end); all.Wait() })
	DeferCleanup(l.stop)
	return l
}
