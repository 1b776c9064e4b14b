package reconcile_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile"
	. "mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("Recorder", func() {
	ctx := context.Background()
	var (
		now time.Time
		c   *reconcile.Client
		r   *reconcile.Recorder
		web specs.Object
	)
	BeforeEach(func() {
		now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		c = reconcile.NewClient(TempStore(GinkgoTB()), reconcile.ClientOptions{Now: func() time.Time { return now }})
		r = reconcile.NewRecorder(reconcile.RecorderOptions{Client: c, Component: "tests", Log: GinkgoLogr})
		var err error
		web, err = c.Create(ctx, process("web"))
		Expect(err).NotTo(HaveOccurred())
	})
	events := func() []*specs.Event {
		r.Flush()
		return reconcile.List[*specs.Event](c)
	}

	It("tells an event as kubectl expects it", func() {
		r.Eventf(web, "Normal", "Started", "pid %d", 7)
		e := events()[0]
		Expect(e.Name).To(MatchRegexp(`^web\.[0-9a-f]{16}$`))
		Expect(e.Namespace).To(Equal("default"))
		Expect(e.InvolvedObject).To(Equal(specs.ObjectReference{Kind: "Process", Name: "web", UID: string(web.GetUID()), APIVersion: "mirroros.dev/v1alpha1"}))
		Expect([]string{e.Type, e.Reason, e.Message, e.Source.Component, e.ReportingComponent}).To(Equal([]string{"Normal", "Started", "pid 7", "tests", "tests"}))
		Expect(e.Count).To(BeEquivalentTo(1))
		Expect(e.FirstTimestamp.Time).To(BeTemporally("==", now))
	})

	It("counts equal events, after a restart too", func() {
		r.Event(web, "Normal", "Started", "x")
		r.Event(web, "Normal", "Started", "x")
		r.Flush()
		now = now.Add(time.Minute)
		r = reconcile.NewRecorder(reconcile.RecorderOptions{Client: c, Component: "tests", Log: GinkgoLogr})
		r.Event(web, "Normal", "Started", "x")
		r.Event(web, "Normal", "Started", "other")
		r.As("others").Event(web, "Normal", "Started", "x")
		list := events()
		Expect(list).To(HaveLen(3))
		counts := map[string]int32{}
		for _, e := range list {
			counts[e.Source.Component+" "+e.Message] = e.Count
			if e.Count == 3 {
				Expect(e.LastTimestamp.Sub(e.FirstTimestamp.Time)).To(Equal(time.Minute))
			}
		}
		Expect(counts).To(Equal(map[string]int32{"tests x": 3, "tests other": 1, "others x": 1}))
	})

	It("keeps the last fifty of an object, and forgets after an hour", func() {
		for i := range 60 {
			r.Event(web, "Normal", "Ran", fmt.Sprint(i))
		}
		list := events()
		Expect(list).To(HaveLen(50))
		for _, e := range list {
			Expect(e.Message).NotTo(BeElementOf("0", "9"))
		}
		// Somebody deletes one behind the recorder's back.
		Expect(c.Delete(ctx, store.Key{Kind: "Event", Namespace: "default", Name: list[0].Name})).To(Succeed())
		now = now.Add(time.Hour + time.Second)
		r.Event(web, "Normal", "Ran", "late")
		Expect(events()).To(HaveLen(1))
	})

	It("keeps five thousand in all", func() {
		for i := range 110 {
			o := process(fmt.Sprint("p", i))
			for j := range 50 {
				r.Event(o, "Normal", "Ran", fmt.Sprint(j))
			}
			r.Flush()
		}
		list := events()
		Expect(list).To(HaveLen(5000))
		for _, e := range list {
			Expect(e.InvolvedObject.Name).NotTo(BeElementOf("p0", "p9"))
		}
	})

	It("cuts long messages and drops what is too much at once, without blocking", func() {
		_, err := c.Txn(ctx, func(*reconcile.ClientTx) error { // the writer has to wait for this transaction
			for i := range 3000 {
				r.Event(process(fmt.Sprint("p", i)), "Warning", "Long", strings.Repeat("é", 1000))
			}
			return nil
		})
		Expect(err).NotTo(HaveOccurred())
		list := events()
		Expect(len(list)).To(And(BeNumerically(">=", 1000), BeNumerically("<=", 2000)))
		Expect(len(list[0].Message)).To(And(BeNumerically("<=", 1024), BeNumerically(">", 1000)))
	})
})
