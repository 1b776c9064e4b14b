package apiserver_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/reconciletest"
)

var _ = Describe("Who may use the API", func() {
	workload := func(pid int) (string, bool) { return "agent-0123456789-0", pid == 77 }

	DescribeTable("by the credentials of a socket", func(own, uid, pid int, alive bool, refusal string) {
		who, got := apiserver.New(apiserver.Options{IsWorkload: workload}).Judge(own, uid, pid, alive)
		Expect(who).NotTo(BeEmpty())
		if refusal == "" {
			Expect(got).To(BeEmpty())
		} else {
			Expect(got).To(ContainSubstring(refusal))
		}
	},
		Entry("root", 1000, 0, 5, true, ""),
		Entry("the operator's user", 54321, 54321, 5, true, ""),
		Entry("another user", 54321, 54322, 5, true, "uid 54322 may not use"),
		Entry("another user of root's operator", 0, 54322, 5, true, "it takes root"),
		Entry("a workload of the same user", 54321, 54321, 77, true, "belongs to instance/agent-0123456789-0"),
		Entry("a workload as root", 54321, 0, 77, true, "workloads may not"),
		Entry("a process that ended, whose pid may be another's", 54321, 54321, 5, false, "has ended"),
		Entry("a process that this namespace does not see", 54321, 54321, 0, true, ""),
	)

	It("refuses a workload, but tells it that the operator is well", func() {
		a := serve(GinkgoTB(), apiserver.Options{IsWorkload: func(pid int) (string, bool) { return "agent-0", pid == os.Getpid() }})
		for _, r := range []response{a.get(processes), a.make("web", sleeps), a.get("/nothing"), a.get("/version")} {
			Expect(r.code).To(Equal(403))
			Expect(r.status().Message).To(ContainSubstring("instance/agent-0"))
		}
		Expect(a.get("/healthz").code).To(Equal(200))
	})

	It("takes nothing that came through no listener of its own", func() {
		w := httptest.NewRecorder()
		apiserver.New(apiserver.Options{}).ServeHTTP(w, httptest.NewRequest("GET", "/version", nil))
		Expect(w.Code).To(Equal(401))
	})

	It("takes nothing through a listener without a token", func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		run(GinkgoTB(), apiserver.Options{}, l)
		res, err := http.Get("http://" + l.Addr().String() + "/version")
		Expect(err).NotTo(HaveOccurred())
		defer http.DefaultClient.CloseIdleConnections()
		defer res.Body.Close()
		Expect(res.StatusCode).To(Equal(403))
	})
})

var _ = Describe("The socket", func() {
	It("is its owner's alone, and goes with the listener", func() {
		path := filepath.Join(GinkgoT().TempDir(), "api.sock")
		l, err := apiserver.ListenUnix(path)
		Expect(err).NotTo(HaveOccurred())
		info, err := os.Stat(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(BeEquivalentTo(0o600))
		Expect(l.Close()).To(Succeed())
		Expect(path).NotTo(BeAnExistingFile())
	})

	It("is refused while somebody answers on it, and taken over when nobody does", func() {
		path := filepath.Join(GinkgoT().TempDir(), "api.sock")
		l, err := net.Listen("unix", path)
		Expect(err).NotTo(HaveOccurred())
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		_, err = apiserver.ListenUnix(path)
		Expect(err).To(MatchError(ContainSubstring("another operator answers there")))
		Expect(l.Close()).To(Succeed())
		Expect(path).To(BeAnExistingFile())
		ours, err := apiserver.ListenUnix(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(ours.Close()).To(Succeed())
	})

	It("stays when another has taken its place", func() {
		path := filepath.Join(GinkgoT().TempDir(), "api.sock")
		first, err := apiserver.ListenUnix(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.Remove(path)).To(Succeed())
		second, err := apiserver.ListenUnix(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(first.Close()).To(Succeed())
		Expect(path).To(BeAnExistingFile())
		Expect(second.Close()).To(Succeed())
	})

	DescribeTable("is refused", func(path func(dir string) string, text string) {
		_, err := apiserver.ListenUnix(path(GinkgoT().TempDir()))
		Expect(err).To(MatchError(ContainSubstring(text)))
	},
		Entry("at a long path", func(d string) string { return filepath.Join(d, strings.Repeat("x", 100)) }, "at most 107"),
		Entry("where a file is", func(d string) string {
			Expect(os.WriteFile(filepath.Join(d, "f"), nil, 0o600)).To(Succeed())
			return filepath.Join(d, "f")
		}, "no socket"),
		Entry("in no directory", func(d string) string { return filepath.Join(d, "no", "api.sock") }, "cannot listen"),
	)
})

var _ = Describe("TLS on loopback", func() {
	// client of the kubeconfig, and its server and token.
	client := func(path string) (*http.Client, string, string) {
		GinkgoHelper()
		b, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		var k struct {
			Clusters []struct {
				Cluster struct {
					Server string `json:"server"`
					CA     []byte `json:"certificate-authority-data"`
				} `json:"cluster"`
			} `json:"clusters"`
			Users []struct {
				User struct {
					Token string `json:"token"`
				} `json:"user"`
			} `json:"users"`
		}
		Expect(yaml.Unmarshal(b, &k)).To(Succeed())
		roots := x509.NewCertPool()
		Expect(roots.AppendCertsFromPEM(k.Clusters[0].Cluster.CA)).To(BeTrue())
		t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
		DeferCleanup(t.CloseIdleConnections)
		return &http.Client{Transport: t}, k.Clusters[0].Cluster.Server, k.Users[0].User.Token
	}
	listen := func(dir string) *apiserver.TLSListener {
		GinkgoHelper()
		l, err := apiserver.ListenTLS(apiserver.TLSOptions{Address: "127.0.0.1:0", StateDir: dir, RunDir: dir})
		Expect(err).NotTo(HaveOccurred())
		return l
	}

	DescribeTable("asks for the token", func(host, authorization string, code int) {
		l := listen(GinkgoT().TempDir())
		run(GinkgoTB(), apiserver.Options{Client: reconciletest.TempClient(GinkgoTB())}, l)
		c, server, token := client(l.Kubeconfig)
		req, err := http.NewRequestWithContext(context.Background(), "GET", server+processes, nil)
		Expect(err).NotTo(HaveOccurred())
		req.Host = host
		req.Header.Set("Authorization", strings.ReplaceAll(authorization, "TOKEN", token))
		res, err := c.Do(req)
		Expect(err).NotTo(HaveOccurred())
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(res.StatusCode).To(Equal(code), string(b))
		Expect(string(b)).NotTo(ContainSubstring(token))
		Expect(res.ProtoMajor).To(Equal(2))
	},
		Entry("the right one", "", "Bearer TOKEN", 200),
		Entry("in any case of the scheme", "localhost:1", "bearer TOKEN", 200),
		Entry("none", "", "", 401),
		Entry("a wrong one", "", "Bearer TOKENx", 401),
		Entry("another scheme", "", "Basic TOKEN", 401),
		Entry("the right one for another host, as a page elsewhere would send it", "evil.example:443", "Bearer TOKEN", 403),
		Entry("by IPv6", "[::1]:443", "Bearer TOKEN", 200),
	)

	It("refuses a workload that can read the token", func() {
		l := listen(GinkgoT().TempDir())
		run(GinkgoTB(), apiserver.Options{IsWorkload: func(pid int) (string, bool) { return "agent-0", pid == os.Getpid() }}, l)
		c, server, token := client(l.Kubeconfig)
		for path, code := range map[string]int{"/version": 403, "/healthz": 200} {
			req, err := http.NewRequestWithContext(context.Background(), "GET", server+path, nil)
			Expect(err).NotTo(HaveOccurred())
			req.Header.Set("Authorization", "Bearer "+token)
			res, err := c.Do(req)
			Expect(err).NotTo(HaveOccurred())
			Expect(res.StatusCode).To(Equal(code))
			Expect(res.Body.Close()).To(Succeed())
		}
	})

	It("goes on with a watch for longer than a request may take", func(ctx SpecContext) {
		l := listen(GinkgoT().TempDir())
		o := apiserver.Options{Client: reconciletest.TempClient(GinkgoTB()), RequestTime: 50 * time.Millisecond,
			IsWorkload: func(int) (string, bool) { return "", false }}
		run(GinkgoTB(), o, l)
		c, server, token := client(l.Kubeconfig)
		stillWatches(ctx, o.Client, func() *http.Response {
			req, err := http.NewRequestWithContext(ctx, "GET", server+processes+"?watch=true", nil)
			Expect(err).NotTo(HaveOccurred())
			req.Header.Set("Authorization", "Bearer "+token)
			res, err := c.Do(req)
			Expect(err).NotTo(HaveOccurred())
			return res
		})
	})

	It("keeps certificate and token, in files that are its owner's alone", func() {
		dir := GinkgoT().TempDir()
		l := listen(dir)
		Expect(l.Close()).To(Succeed())
		cert, err := os.ReadFile(filepath.Join(dir, "api.pem"))
		Expect(err).NotTo(HaveOccurred())
		_, _, token := client(l.Kubeconfig)
		for _, f := range []string{"api.pem", "kubeconfig"} {
			info, err := os.Stat(filepath.Join(dir, f))
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Mode().Perm()).To(BeEquivalentTo(0o600), f)
		}
		l = listen(dir)
		Expect(l.Close()).To(Succeed())
		Expect(os.ReadFile(filepath.Join(dir, "api.pem"))).To(Equal(cert))
		_, _, again := client(l.Kubeconfig)
		Expect(again).To(Equal(token))

		By("revoking the token")
		Expect(os.Remove(l.Kubeconfig)).To(Succeed())
		l = listen(dir)
		Expect(l.Close()).To(Succeed())
		_, _, other := client(l.Kubeconfig)
		Expect(other).NotTo(Equal(token))

		By("not trusting a token that others could read")
		Expect(os.Chmod(l.Kubeconfig, 0o644)).To(Succeed())
		l = listen(dir)
		Expect(l.Close()).To(Succeed())
		_, _, last := client(l.Kubeconfig)
		Expect(last).NotTo(Equal(other))
	})

	It("makes a certificate anew when the one kept is damaged", func() {
		dir := GinkgoT().TempDir()
		Expect(os.WriteFile(filepath.Join(dir, "api.pem"), []byte("no"), 0o600)).To(Succeed())
		Expect(listen(dir).Close()).To(Succeed())
	})

	DescribeTable("is refused", func(address, text string) {
		dir := GinkgoT().TempDir()
		_, err := apiserver.ListenTLS(apiserver.TLSOptions{Address: address, StateDir: dir, RunDir: dir})
		Expect(err).To(MatchError(ContainSubstring(text)))
	},
		Entry("on all addresses", "0.0.0.0:0", "only loopback"),
		Entry("on another address", "192.0.2.1:0", "only loopback"),
		Entry("without an address", ":7443", "want an address and a port"),
		Entry("by name", "localhost:7443", "want an address and a port"),
	)
})
