package audit_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/audit"
)

var start = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

// history has one record a second, by turns of two writers, in files of 4 KiB; every third is refused.
func history(n int) place {
	GinkgoHelper()
	p := newPlace()
	var logs []*audit.Log
	for _, w := range []string{"gate", "operator"} {
		o := p.options(w)
		o.Now = func() time.Time { return start }
		o.Retain = time.Hour * 24 * 365
		o.MaxBytes = 32 << 10
		l, err := audit.Open(o)
		Expect(err).NotTo(HaveOccurred())
		logs = append(logs, l)
	}
	for i := range n {
		r := decision(fmt.Sprintf("r%02d", i))
		r.Time = start.Add(time.Duration(i) * time.Second)
		if i%3 == 0 {
			r.Decision, r.Rule = audit.Refused, `say "no"`
		}
		Expect(logs[i%2].Write(r, false)).To(Succeed())
	}
	for _, l := range logs {
		Expect(l.Close()).To(Succeed())
	}
	return p
}

func (p place) query(f audit.Filter) []string {
	GinkgoHelper()
	out := []string{}
	Expect(audit.Query(p.dir, f, func(r *audit.Record) error { out = append(out, r.Request); return nil })).To(Succeed())
	return out
}

func ids(from, to, step int) []string {
	out := []string{}
	for i := from; i < to; i += step {
		out = append(out, fmt.Sprintf("r%02d", i))
	}
	return out
}

var _ = Describe("Query", func() {
	It("answers what fits, the newest last, over all chains and files", func() {
		p := history(30)
		Expect(p.files("*.jsonl")).To(HaveLen(4), "files")
		Expect(p.query(audit.Filter{})).To(Equal(ids(0, 30, 1)))
		Expect(p.query(audit.Filter{Since: start.Add(10 * time.Second), Until: start.Add(20 * time.Second)})).To(Equal(ids(10, 20, 1)))
		Expect(p.query(audit.Filter{Rules: []string{`say "no"`}})).To(Equal(ids(0, 30, 3)))
		Expect(p.query(audit.Filter{Decisions: []string{audit.Refused, audit.Failed}, Since: start.Add(20 * time.Second)})).To(Equal(ids(21, 30, 3)))
		Expect(p.query(audit.Filter{Requests: []string{"r07", "r08"}})).To(Equal([]string{"r07", "r08"}))
		Expect(p.query(audit.Filter{Principals: []string{"agent"}})).To(BeEmpty())
		Expect(p.query(audit.Filter{Routes: []string{"chat"}, Kinds: []string{audit.KindOutcome}})).To(BeEmpty())
		Expect(p.query(audit.Filter{Own: true, Kinds: []string{audit.KindBegin}})).To(HaveLen(2))
	})

	It("does not take a value of one field for that of another", func() {
		p := newPlace()
		l := p.open("gate")
		Expect(l.Write(&audit.Record{Kind: audit.KindChange, Text: `"principal":"eve"`, Principal: "adam"}, false)).To(Succeed())
		Expect(l.Close()).To(Succeed())
		Expect(p.query(audit.Filter{Principals: []string{"eve"}})).To(BeEmpty())
	})

	It("answers the last ones", func() {
		p := history(30)
		for _, n := range []int{0, 1, 7, 30, 100} {
			var have []string
			_, err := audit.Last(p.dir, n, audit.Filter{}, func(r *audit.Record) error { have = append(have, r.Request); return nil })
			Expect(err).NotTo(HaveOccurred())
			Expect(have).To(BeEquivalentTo(append([]string(nil), ids(max(0, 30-n), 30, 1)...)), fmt.Sprint(n))
		}
		var have []string
		_, err := audit.Last(p.dir, 2, audit.Filter{Decisions: []string{audit.Refused}}, func(r *audit.Record) error { have = append(have, r.Request); return nil })
		Expect(err).NotTo(HaveOccurred())
		Expect(have).To(Equal([]string{"r24", "r27"}))
	})

	It("follows what is written, by chains that begin later too", func(ctx SpecContext) {
		p := newPlace()
		first := p.open("gate")
		Expect(first.Write(decision("r1"), false)).To(Succeed())
		var have []string
		pos, err := audit.Last(p.dir, 10, audit.Filter{}, func(r *audit.Record) error { have = append(have, r.Request); return nil })
		Expect(err).NotTo(HaveOccurred())
		Expect(have).To(Equal([]string{"r1"}))
		Expect(first.Write(decision("r2"), false)).To(Succeed())
		ctxFollow, stop := context.WithCancel(ctx)
		seen, ended := make(chan string), make(chan error)
		go func() {
			ended <- audit.Follow(ctxFollow, p.dir, pos, audit.Filter{}, func(r *audit.Record) error { seen <- r.Request; return nil })
		}()
		Eventually(ctx, seen).Should(Receive(Equal("r2")))
		Expect(first.Write(decision("r3"), false)).To(Succeed())
		Eventually(ctx, seen).Should(Receive(Equal("r3")))
		second := p.open("gate")
		Expect(second.Write(decision("r4"), false)).To(Succeed())
		Eventually(ctx, seen).Should(Receive(Equal("r4")))
		stop()
		Expect(<-ended).To(Succeed())
	}, SpecTimeout(10*time.Second))
})
