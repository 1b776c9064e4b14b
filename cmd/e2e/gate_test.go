package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// gateManifest is a gate at any port that lets everybody talk to a model, which takes its time for each token of a stream.
const gateManifest = `apiVersion: mirroros.dev/v1alpha1
kind: Process
metadata: {name: model}
spec:
  command: [%s/demomodel, --listen, "127.0.0.1:$(PORT)", --delay, 400ms]
  ports: [{name: http}]
  readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}
---
apiVersion: mirroros.dev/v1alpha1
kind: Gate
metadata: {name: front}
spec:
  listen: {address: "127.0.0.1:0"}
  authentication: {anonymous: true}
  durability: Process
---
apiVersion: mirroros.dev/v1alpha1
kind: Route
metadata: {name: chat}
spec:
  gate: front
  protocol: OpenAI
  match: {models: [house]}
  backends: [{process: model, port: http, model: demo}]
---
apiVersion: mirroros.dev/v1alpha1
kind: GateRule
metadata: {name: everybody}
spec:
  gates: [front]
  principals: {names: [system/anonymous]}
  action: Allow
  reason: a test
`

// gate waits until the gate serves, and answers its address.
func (h *host) gate() (address string) {
	GinkgoHelper()
	Eventually(func() string {
		address = strings.TrimSpace(h.must("get", "gate/front", "-o", "jsonpath={.status.address}"))
		return address
	}).ShouldNot(BeEmpty())
	Eventually(func() (int, error) { return chat(address) }).Should(Equal(200))
	return address
}

// chat asks once, by a connection of its own.
func chat(address string) (int, error) {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := c.Post("http://"+address+"/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"house","max_tokens":4,"messages":[{"role":"user","content":"say the word hello"}]}`))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// callers each open a connection for every request, and try none again.
type callers struct {
	ok, refused, failed atomic.Int64
	last                atomic.Pointer[string] // what failed last
	stop                func()
}

func call(address string, n int) *callers {
	c := &callers{}
	end := make(chan struct{})
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				status, err := chat(address)
				var op *net.OpError
				switch {
				case errors.As(err, &op) && op.Op == "dial":
					c.refused.Add(1)
				case err != nil || status != 200:
					c.failed.Add(1)
					text := fmt.Sprint(status, " ", err)
					c.last.Store(&text)
				default:
					c.ok.Add(1)
				}
			}
		})
	}
	c.stop = sync.OnceFunc(func() { close(end); all.Wait() })
	DeferCleanup(c.stop)
	return c
}

// goOn waits until some more were answered.
func (c *callers) goOn() {
	GinkgoHelper()
	was := c.ok.Load()
	Eventually(c.ok.Load).Should(BeNumerically(">", was+10))
}

// ownPrograms gives the operator programs of its own, which can be replaced.
func (h *host) ownPrograms() {
	GinkgoHelper()
	h.bin = h.dir + "/bin"
	Expect(os.Mkdir(h.bin, 0o755)).To(Succeed())
	for _, p := range []string{"mirrorosd", "mirrorguard", "mirrorgate"} {
		data, err := os.ReadFile(bin + "/" + p)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(h.bin+"/"+p, data, 0o755)).To(Succeed())
	}
}

// upgradeGate replaces the gate's program and waits until a new gate is beside the old one.
func (h *host) upgradeGate(old int) {
	GinkgoHelper()
	program := h.bin + "/mirrorgate"
	data, err := os.ReadFile(program)
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(program+".new", append(data, "another"...), 0o755)).To(Succeed())
	Expect(os.Rename(program+".new", program)).To(Succeed())
	Eventually(func() bool {
		for _, i := range h.of(specs.SystemProcess) {
			if i.Status.Ready && int(i.Status.PID) != old {
				return true
			}
		}
		return false
	}).Should(BeTrue(), "a new gate is beside the old one")
}

var _ = Describe("a gate", func() {
	begin := func() (*host, string) {
		GinkgoHelper()
		h := newHost()
		h.ownPrograms()
		h.write("gate.yaml", fmt.Sprintf(gateManifest, bin))
		h.start()
		h.ready()
		return h, h.gate()
	}

	It("refuses no connection while it, its operator and the guardian are killed", func() {
		h, address := begin()
		c := call(address, 4)
		for range 3 {
			pid := h.pidOf(specs.SystemProcess)
			kill(pid)
			Eventually(func() int { return h.pidOf(specs.SystemProcess) }).ShouldNot(Equal(pid))
			c.goOn()
		}
		cut := c.failed.Load()
		Expect(cut).To(BeNumerically("<=", 3*4), "only what was under way")
		h.killOperator()
		c.goOn()
		was := h.info()
		kill(was.GuardianPID)
		h.again(was.PID)
		c.goOn()
		was = h.info()
		Expect(was.GuardianPID).NotTo(BeZero())
		kill(h.pidOf(specs.SystemProcess)) // the sockets went along to the new guardian
		c.goOn()
		c.stop()
		GinkgoWriter.Printf("%d answered, %d cut, %d refused\n", c.ok.Load(), c.failed.Load(), c.refused.Load())
		Expect(c.refused.Load()).To(BeZero())
		Expect(c.failed.Load()).To(BeNumerically("<=", cut+4))
		Expect(h.gate()).To(Equal(address))
		Eventually(func() string { out, _, _ := h.ctl("audit", "verify"); return out }).Should(MatchRegexp(`(?m)^ok `), "killed in the middle of a line, it goes on")
	})

	It("makes room for a new program while a stream goes on, and cuts nothing", func() {
		h, address := begin()
		old := h.pidOf(specs.SystemProcess)
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Post("http://"+address+"/v1/chat/completions", "application/json",
			strings.NewReader(`{"model":"house","stream":true,"max_tokens":200,"messages":[{"role":"user","content":"tell me a long story"}]}`))
		Expect(err).NotTo(HaveOccurred())
		defer resp.Body.Close()
		Expect(resp.StatusCode).To(Equal(200))
		events, last := atomic.Int64{}, make(chan string, 1)
		go func() {
			text := ""
			for s := bufio.NewScanner(resp.Body); s.Scan(); {
				if s.Text() != "" {
					text = s.Text()
					events.Add(1)
				}
			}
			last <- text
		}()
		Eventually(events.Load).Should(BeNumerically(">", 2))
		c := call(address, 2)
		h.upgradeGate(old)
		c.goOn()
		was := events.Load()
		Eventually(events.Load).Should(BeNumerically(">", was+2), "the stream goes on by the old one")
		Expect(alive(old)).To(BeTrue())
		Eventually(last).WithTimeout(time.Minute).Should(Receive(Equal("data: [DONE]")))
		Eventually(func() bool { return alive(old) }).Should(BeFalse(), "the old one ends with its last stream")
		c.goOn()
		c.stop()
		Expect(c.refused.Load()+c.failed.Load()).To(BeZero(), func() string { return *c.last.Load() })
	})
})
