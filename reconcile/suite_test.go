package reconcile_test

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

func TestReconcile(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "reconcile", cfg, rep)
}

var _ = BeforeEach(func() {
	before := gleak.Goroutines()
	DeferCleanup(func() { Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before)) })
})

func process(name string) *specs.Process {
	return &specs.Process{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: specs.ProcessSpec{Command: []string{"true"}}}
}

func instance(name string) *specs.Instance {
	return &specs.Instance{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: specs.InstanceSpec{Process: "web"}}
}
