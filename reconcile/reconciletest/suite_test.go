package reconciletest_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	. "mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

func TestReconciletest(t *testing.T) {
	RegisterFailHandler(Fail)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "reconciletest", cfg, rep)
}

var _ = Describe("matchers", func() {
	web := func() *specs.Process {
		p := &specs.Process{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
		p.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "False", Reason: "Crashed", Message: "exit code 1"}}
		return p
	}

	It("finds conditions in objects, and shows what there is where it does not", func() {
		Expect(web()).To(HaveCondition("Ready", "False", "Crashed"))
		Expect(web()).To(HaveCondition("Ready", "False", ""))
		Expect(web()).NotTo(HaveCondition("Ready", "True", ""))
		Expect(web()).NotTo(HaveCondition("Stalled", "True", ""))
		m := HaveCondition("Ready", "True", "Running")
		Expect(m.FailureMessage(web())).To(And(ContainSubstring("Ready=False Crashed: exit code 1"), ContainSubstring("to have Ready=True Running")))
		_, err := m.Match("a string")
		Expect(err).To(HaveOccurred())
	})

	It("names what was written where nothing should be", func() {
		c := TempClient(GinkgoTB())
		Expect(func() {}).To(BeNoOp(c.Store()))
		m := BeNoOp(c.Store())
		ok, err := m.Match(func() error {
			_, err := c.Create(context.Background(), web())
			return err
		})
		Expect(ok, err).To(BeFalse())
		Expect(m.FailureMessage(nil)).To(ContainSubstring("ADDED process/web"))
		_, err = m.Match(1)
		Expect(err).To(HaveOccurred())
	})
})
