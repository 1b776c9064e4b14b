package gate

import (
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// prompting is a check that asks route chat.
func prompting(name string) *specs.Check {
	c := &specs.Check{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1}, Spec: specs.CheckSpec{Target: specs.CheckTarget{Route: "chat"},
		Prompt:   &specs.CheckPrompt{Messages: []specs.CheckMessage{{Role: specs.RoleUser, Content: "hi"}}},
		Schedule: &specs.CheckSchedule{Every: metav1.Duration{Duration: time.Minute}}}}
	specs.Default(c)
	return c
}

var _ = Describe("a prompt to a route", func() {
	It("has system/check pass by a rule of its own, before all others, to that route alone", func() {
		o := observedWorld(func(o *observed) { o.Checks = []*specs.Check{prompting("a"), prompting("b")} })
		rules := o.config().Gates[0].Rules
		Expect(rules).To(HaveLen(2))
		Expect(rules[0]).To(And(HaveField("Name", "system/check"), HaveField("Names", []string{"system/check"}), HaveField("Routes", []string{"chat"}),
			HaveField("All", false), HaveField("AllowRemote", false), HaveField("Action", "Allow")))
		Expect(o.identities().Principals).To(ContainElement(HaveField("Name", "system/check")))
		Expect(decide(o).Gates[0].Rules).To(BeEquivalentTo(1), "it is no GateRule")
	})

	It("leaves no trace where there is none", func() {
		o := observedWorld(nil)
		Expect(o.config().Gates[0].Rules).To(HaveLen(1))
		Expect(o.identities().Principals).NotTo(ContainElement(HaveField("Name", "system/check")))
	})

	It("makes the condition Aligned of the route, and takes it away when it goes", func() {
		o := observedWorld(func(o *observed) { o.Checks = []*specs.Check{prompting("a")} })
		d := decide(o)
		Expect(d.Routes[0].Conditions).To(reconciletest.HaveCondition("Aligned", "Unknown", "CheckUnknown"))
		o.Routes[0].Status = d.Routes[0]
		o.Checks = nil
		Expect(meta.FindStatusCondition(decide(o).Routes[0].Conditions, "Aligned")).To(BeNil())
	})
})

var _ = Describe("the token of system/check", func() {
	ctx := context.Background()
	var w *world
	token := func(route string) string {
		GinkgoHelper()
		got := make(chan string, 1)
		go func() {
			defer GinkgoRecover()
			text, err := w.CheckToken(ctx, route)
			Expect(err).NotTo(HaveOccurred())
			got <- text
		}()
		for {
			w.reconcile() // as the worker does when it is asked
			select {
			case text := <-got:
				return text
			default:
			}
		}
	}
	entries := func() (out []proxy.TokenEntry) {
		GinkgoHelper()
		var i proxy.Identities
		Expect(readJSON(filepath.Join(w.dir, "state", "gate", proxy.IdentitiesFile), &i)).To(Succeed())
		for _, t := range i.Tokens {
			if t.Principal == specs.PrincipalCheck {
				out = append(out, t)
			}
		}
		return out
	}
	BeforeEach(func() {
		w = newWorld()
		c := prompting("a")
		c.Generation = 0
		w.put(aProcess("model"), aGate("front"), aRoute("chat", "model"), c)
	})

	It("is for one route, is made anew before it ends, and is in no file", func() {
		first := token("chat")
		Expect(entries()).To(HaveLen(1))
		Expect(entries()[0].Scope).To(Equal([]string{"chat"}))
		Expect(entries()[0].Expires).To(Equal(w.now.Add(time.Hour)))
		Expect(token("chat")).To(Equal(first))
		w.now = w.now.Add(50 * time.Minute)
		Expect(token("chat")).NotTo(Equal(first))
		Expect(filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			Expect(string(b)).NotTo(ContainSubstring(first), path)
			return err
		})).To(Succeed())
	})

	It("of an operator that died is good for nothing", func() {
		token("chat")
		w.open()
		w.reconcile()
		Expect(entries()).To(BeEmpty())
	})

	It("is made for nobody who asks through the API", func() {
		_, _, err := w.CreateToken(ctx, specs.PrincipalCheck, Issue{})
		Expect(err).To(MatchError(ContainSubstring("not found")))
	})
})
