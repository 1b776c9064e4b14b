package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// talker is a Process that runs `workload talk`.
func talker(name string, more ...string) string {
	return process(name, []string{"talk", "127.0.0.1:$(PORT)"}, append([]string{
		"ports: [{name: talk}]", "readinessProbe: {tcpSocket: {port: talk}, periodSeconds: 1}", "strategy: {type: RollingUpdate}"}, more...)...)
}

// conversation is a connection to a talker.
type conversation struct {
	*net.TCPConn
	in *bufio.Reader
}

// dial connects and says the first line.
func dial(address, first string) *conversation {
	GinkgoHelper()
	c, err := net.Dial("tcp", address)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(c.Close)
	Expect(c.SetDeadline(time.Now().Add(30 * time.Second))).To(Succeed())
	_, err = io.WriteString(c, first+"\n")
	Expect(err).NotTo(HaveOccurred())
	return &conversation{c.(*net.TCPConn), bufio.NewReader(c)}
}

// echo says a line and expects it back.
func (c *conversation) echo(line string) {
	GinkgoHelper()
	_, err := io.WriteString(c, line+"\n")
	Expect(err).NotTo(HaveOccurred())
	Expect(c.in.ReadString('\n')).To(Equal(line + "\n"))
}

// finish ends this side, and answers what the other says after that until its own end.
func (c *conversation) finish() string {
	GinkgoHelper()
	Expect(c.CloseWrite()).To(Succeed())
	rest, err := io.ReadAll(c.in)
	Expect(err).NotTo(HaveOccurred())
	return string(rest)
}

var _ = Describe("a TCP route", func() {
	It("joins connections to what is behind it, each end with an end of its own, also while that is replaced", func() {
		h := newHost()
		h.write("gate.yaml", object("Gate", "front", `listen: {address: "127.0.0.1:0"}`, "authentication: {anonymous: true}", "durability: Process"),
			object("Route", "talk", "gate: front", "protocol: TCP", "backends: [{process: talker, port: talk}]"),
			object("GateRule", "all-may-talk", "principals: {all: true}", "action: Allow", "reason: a test"))
		h.write("talker.yaml", talker("talker", `version: "1"`))
		h.start()
		h.ready()
		address := strings.TrimPrefix(h.serving("front"), "http://")
		old := h.pidOf("talker")

		c := dial(address, "echo")
		c.echo("hello")
		Expect(c.finish()).To(Equal(fmt.Sprintf("%d heard 6 bytes\n", old)), "what comes after the client's end arrives")

		c = dial(address, "first")
		said, err := io.ReadAll(c.in)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(said)).To(Equal(fmt.Sprintf("%d first\n", old)))
		more := strings.Repeat("and so on, ", 10000)
		_, err = io.WriteString(c, more)
		Expect(err).NotTo(HaveOccurred(), "the end of the one is not the end of the other")
		Expect(c.CloseWrite()).To(Succeed())
		Eventually(func() string { return h.must("logs", "talker") }).Should(ContainSubstring(fmt.Sprintf("heard %d bytes after my end, <nil>", len(more))))

		c = dial(address, "echo")
		c.echo("before")
		h.write("talker.yaml", talker("talker", `version: "2"`))
		Eventually(func() string {
			n := dial(address, "echo")
			return strings.Fields(n.finish())[0]
		}).ShouldNot(Equal(fmt.Sprint(old)), "new connections go to the new one")
		c.echo("after")
		Expect(alive(old)).To(BeTrue(), "the old one stays for what it has")
		Expect(c.finish()).To(Equal(fmt.Sprintf("%d heard 13 bytes\n", old)))
		Eventually(func() bool { return alive(old) }).Should(BeFalse())

		Eventually(func() []map[string]any {
			return h.records("--kind", "outcome", "--route", "talk", "--decision", "Allowed")
		}).Should(
			ContainElement(HaveKeyWithValue("responseSize", BeNumerically("==", len(fmt.Sprintf("before\nafter\n%d heard 13 bytes\n", old))))))
		Expect(h.records("--kind", "outcome", "--decision", "Failed")).To(BeEmpty())
		h.ready()
	})
})

// variable of the environment of a process.
func variable(pid int, name string) string {
	GinkgoHelper()
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	Expect(err).NotTo(HaveOccurred())
	for v := range strings.SplitSeq(string(environ), "\x00") {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

var _ = Describe("a CONNECT route", func() {
	// through asks an https server by way of a proxy, and gives its answer.
	through := func(proxy string, target *httptest.Server) (string, error) {
		u, err := url.Parse(proxy)
		Expect(err).NotTo(HaveOccurred())
		roots := x509.NewCertPool()
		roots.AddCert(target.Certificate())
		c := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{Proxy: http.ProxyURL(u), DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{RootCAs: roots}}}
		res, err := c.Get(target.URL)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return string(body), err
	}
	// connect asks for a tunnel and gives the status and the reason of the answer.
	connect := func(gate, token, target string) string {
		GinkgoHelper()
		c, err := net.Dial("tcp", strings.TrimPrefix(gate, "http://"))
		Expect(err).NotTo(HaveOccurred())
		defer c.Close()
		Expect(c.SetDeadline(time.Now().Add(20 * time.Second))).To(Succeed())
		_, err = fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\nProxy-Authorization: Bearer %s\r\n\r\n", target, token)
		Expect(err).NotTo(HaveOccurred())
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		Expect(err).NotTo(HaveOccurred())
		defer res.Body.Close()
		return fmt.Sprintf("%d %s", res.StatusCode, res.Header.Get("X-MirrorGate-Reason"))
	}

	It("tunnels to what a rule allows, by tokens in Proxy-Authorization and for processes that ask for a proxy, and to nothing else", func() {
		target := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here I am") }))
		target.Config.ErrorLog = log.New(GinkgoWriter, "", 0)
		target.StartTLS()
		DeferCleanup(target.Close)
		other, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(other.Close)
		reached := make(chan struct{}, 10)
		go func() {
			for c, err := other.Accept(); err == nil; c, err = other.Accept() {
				reached <- struct{}{}
				c.Close()
			}
		}()
		here, there := target.Listener.Addr().String(), other.Addr().String()

		h := newHost()
		h.write("stack.yaml", stack("home", "locality: Sealed"))
		h.write("gate.yaml", object("Gate", "front", `listen: {address: "127.0.0.1:0"}`, "durability: Process"),
			object("Route", "out", "gate: front", "protocol: CONNECT", fmt.Sprintf("match: {hosts: [%q, %q]}", here, there)),
			object("Principal", "scout", "type: Agent"),
			object("GateRule", "out-to-one", "routes: [out]", "principals: {names: [scout, process/puller]}", fmt.Sprintf("when: request.host == %q", here),
				"action: Allow", "reason: one server"),
			process("puller", []string{"run"}, "proxy: {gate: front}"), process("other", []string{"run"}))
		h.start()
		h.ready()
		gate, token := h.serving("front"), h.token("scout")

		Expect(through(strings.Replace(gate, "http://", "http://scout:"+token+"@", 1), target)).To(Equal("here I am"))
		Expect(connect(gate, token, here)).To(HavePrefix("200 "))
		Expect(connect(gate, token, there)).To(Equal("403 NoRule"))
		Expect(connect(gate, "mgt_guess", here)).To(Equal("407 UnknownToken"))
		Expect(connect(gate, token, "203.0.113.7:443")).To(Equal("404 NoRoute"))
		Expect(reached).To(BeEmpty(), "what is refused is not dialled")

		pid := h.pidOf("puller")
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
			Expect(through(variable(pid, name), target)).To(Equal("here I am"), name)
		}
		Expect(variable(pid, "NO_PROXY")).To(ContainSubstring("127.0.0.1"), "what it asks of this host goes there straight")
		Expect(variable(h.pidOf("other"), "HTTPS_PROXY")).To(BeEmpty(), "only those that ask get it")
		Expect(h.records("--kind", "decision", "--principal", "process/puller")).To(And(HaveLen(4), HaveEach(And(
			HaveKeyWithValue("instance", h.one("puller").Name), HaveKeyWithValue("decision", "Allowed"), HaveKeyWithValue("backend", here)))))

		h.write("more.yaml", object("Route", "away", "gate: front", "protocol: CONNECT", `match: {hosts: ["*.example.com:443"]}`, "remote: true"))
		Eventually(h.status).Should(MatchRegexp(`more\.yaml:\d+:\d+ .*spec\.remote.*Sealed`))
		Expect(connect(gate, token, "api.example.com:443")).To(Equal("404 NoRoute"), "Sealed has no way out")
		Expect(h.must("get", "routes")).NotTo(ContainSubstring("away"))
	})

	It("leaves the host only where the rule that allows it says so", func() {
		h := newHost()
		h.write("stack.yaml", stack("home", "locality: LocalFirst"))
		h.write("gate.yaml", object("Gate", "front", `listen: {address: "127.0.0.1:0"}`, "durability: Process"),
			object("Route", "away", "gate: front", "protocol: CONNECT", `match: {hosts: ["203.0.113.7:443"]}`, "remote: true"),
			object("Principal", "scout", "type: Agent"),
			object("GateRule", "scout-may", "principals: {names: [scout]}", "action: Allow", "reason: on this host"))
		h.start()
		h.ready()
		Expect(connect(h.serving("front"), h.token("scout"), "203.0.113.7:443")).To(Equal("403 RemoteNotAllowed"))
		h.recorded(ConsistOf(And(HaveKeyWithValue("stage", 6.0), HaveKeyWithValue("decision", "Refused"))), "--kind", "decision", "--principal", "scout")

		h.write("stack.yaml", stack("home", "locality: Sealed"))
		Eventually(h.status).Should(MatchRegexp(`gate\.yaml:\d+:\d+ .*spec\.remote.*Sealed`), "a set with a way out is not sealed")
	})
})
