package audit_test

import (
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"mirroros.dev/mirroros/reconcile/audit"
)

func TestAudit(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "audit", cfg, rep)
}

var _ = BeforeEach(func() {
	before := gleak.Goroutines()
	DeferCleanup(func() { Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before)) })
})

// place is a directory for a log, with its key beside it.
type place struct{ dir, key string }

func newPlace() place {
	GinkgoHelper()
	root := GinkgoT().TempDir()
	return place{filepath.Join(root, "audit"), filepath.Join(root, "audit.key")}
}

func (p place) options(writer string) audit.Options {
	return audit.Options{Dir: p.dir, Writer: writer, KeyFile: p.key}
}

func (p place) open(writer string) *audit.Log {
	GinkgoHelper()
	l, err := audit.Open(p.options(writer))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(l.Close)
	return l
}

func decision(request string) *audit.Record {
	return &audit.Record{Kind: audit.KindDecision, Request: request, Principal: "agent-a", Token: "t1", Instance: "agent-a-0123456789-0", Peer: "127.0.0.1:5555",
		Gate: "main", Route: "chat", Method: "POST", Path: "/v1/chat/completions", Model: "small", MaxTokens: 256, Stream: true,
		Decision: audit.Allowed, Stage: 4, Reason: "Matched", Rule: "agents-may-chat", Snapshot: 7, Backend: "process/chat-model"}
}
