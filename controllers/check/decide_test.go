package check

import (
	"errors"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// seen is a check of process web every ten minutes, of generation 2, that has not run, at noon.
func seen(change ...func(*observed)) *observed {
	c := &specs.Check{ObjectMeta: metav1.ObjectMeta{Name: "answers", Generation: 2}, Spec: specs.CheckSpec{Target: specs.CheckTarget{Process: "web"},
		TCPSocket: &specs.TCPSocketAction{}, Schedule: &specs.CheckSchedule{Every: metav1.Duration{Duration: 10 * time.Minute}}}}
	c.Default()
	o := &observed{Now: noon, Check: c, Offset: 0.5}
	for _, f := range change {
		f(o)
	}
	return o
}

// ran is a run of a generation that began so long ago.
func ran(verdict specs.CheckVerdict, ago time.Duration, generation int64) *specs.CheckRun {
	run := &specs.CheckRun{Verdict: verdict, Generation: generation, Started: metav1.NewTime(noon.Add(-ago)), Finished: metav1.NewTime(noon.Add(-ago))}
	if verdict != specs.CheckPassing {
		run.Message = "it is so"
	}
	return run
}

// was has a run and its verdict in the status, and told.
func was(verdict specs.CheckVerdict, ago time.Duration) func(*observed) {
	return func(o *observed) {
		o.Check.Status = specs.CheckStatus{Verdict: verdict, Notified: verdict, LastRun: ran(verdict, ago, 2), Since: metav1.NewTime(noon.Add(-time.Hour))}
	}
}

func result(verdict specs.CheckVerdict) func(*observed) {
	return func(o *observed) { o.Result, o.Last = ran(verdict, 0, 2), o.Now }
}

// brief says what was decided.
func brief(d decision) string {
	passing := meta.FindStatusCondition(d.Status.Conditions, specs.ConditionPassing)
	out := []string{string(d.Status.Verdict), string(passing.Status) + " " + passing.Reason}
	if d.Start {
		out = append(out, "start")
	}
	if !d.Due.IsZero() && !d.Start {
		out = append(out, "due in "+d.Due.Sub(noon).String())
	}
	if d.News != nil {
		out = append(out, "tell "+d.News.kind+" "+d.News.reason+": "+d.News.message)
	}
	return strings.Join(out, ", ")
}

var _ = DescribeTable("decide",
	func(o *observed, want string) { Expect(brief(decide(o))).To(Equal(want)) },
	Entry("has the first run at a moment of its own", seen(), "Unknown, Unknown NotRun, due in 5s"),
	Entry("spreads the first runs over the period when that is short", seen(func(o *observed) { o.Check.Spec.Schedule.Every.Duration = 4 * time.Second }), "Unknown, Unknown NotRun, due in 2s"),
	Entry("keeps the moment that it decided on", seen(func(o *observed) { o.Due = noon.Add(time.Second) }), "Unknown, Unknown NotRun, due in 1s"),
	Entry("starts when it is time", seen(func(o *observed) { o.Due = noon }), "Unknown, Unknown NotRun, start"),
	Entry("starts no second run beside one", seen(func(o *observed) { o.Due, o.Running = noon, true }), "Unknown, Unknown NotRun"),
	Entry("runs nothing by itself without a schedule", seen(func(o *observed) { o.Check.Spec.Schedule = nil }), "Unknown, Unknown NotRun"),
	Entry("tells of the first verdict", seen(result(specs.CheckPassing)), "Passing, True Passing, due in 10m0s, tell Normal CheckPassing: passed"),
	Entry("tells of a failure", seen(was(specs.CheckPassing, 10*time.Minute), result(specs.CheckFailing)),
		"Failing, False Failing, due in 10m0s, tell Warning CheckFailing: it is so; before that it was Passing"),
	Entry("tells nothing twice", seen(was(specs.CheckFailing, 10*time.Minute), result(specs.CheckFailing)), "Failing, False Failing, due in 10m0s"),
	Entry("tells that it passes again", seen(was(specs.CheckFailing, 10*time.Minute), result(specs.CheckPassing)),
		"Passing, True Passing, due in 10m0s, tell Normal CheckPassing: passed; before that it was Failing"),
	Entry("is neither well nor unwell when it is inconclusive", seen(was(specs.CheckPassing, 10*time.Minute), result(specs.CheckInconclusive)),
		"Inconclusive, Unknown Inconclusive, due in 10m0s, tell Warning CheckInconclusive: it is so; before that it was Passing"),
	Entry("tells when nothing could be measured", seen(was(specs.CheckPassing, 10*time.Minute), result(specs.CheckUnknown)),
		"Unknown, Unknown Unknown, due in 10m0s, tell Warning CheckUnknown: it is so; before that it was Passing"),
	Entry("goes on after another operator where that was", seen(was(specs.CheckPassing, 4*time.Minute)), "Passing, True Passing, due in 6m0s"),
	Entry("runs soon when a run was missed, and what was known stands for a while", seen(was(specs.CheckFailing, 10*time.Minute+20*time.Second)), "Failing, False Failing, due in 5s"),
	Entry("does not know what it knew long ago, and makes no news of that", seen(was(specs.CheckPassing, 11*time.Minute)), "Unknown, Unknown NotRun, due in 5s"),
	Entry("makes no news of the same verdict after that", seen(was(specs.CheckPassing, 11*time.Minute), func(o *observed) { o.Check.Status.Verdict = specs.CheckUnknown }, result(specs.CheckPassing)),
		"Passing, True Passing, due in 10m0s"),
	Entry("goes by awake time while it lives: a clock set ahead makes nothing stale", seen(was(specs.CheckPassing, 5*time.Hour), func(o *observed) { o.Last = noon.Add(-time.Minute) }),
		"Passing, True Passing, due in 9m0s"),
	Entry("runs soon when the clock was set back between two operators", seen(was(specs.CheckPassing, -time.Hour)), "Unknown, Unknown NotRun, due in 5s"),
	Entry("knows nothing of what was declared otherwise", seen(was(specs.CheckPassing, time.Minute), func(o *observed) { o.Check.Status.LastRun.Generation = 1 }), "Unknown, Unknown NotRun, due in 5s"),
	Entry("keeps the verdict of a run that somebody asked for, without a schedule", seen(was(specs.CheckFailing, 48*time.Hour), func(o *observed) { o.Check.Spec.Schedule = nil }), "Failing, False Failing"),
	Entry("runs nothing while its target is not there, and says so", seen(was(specs.CheckPassing, time.Minute), func(o *observed) { o.Absent, o.Due = "process/web", noon }),
		"Unknown, Unknown RefsNotFound, tell Warning CheckUnknown: no process/web; before that it was Passing"),
	Entry("says that once", seen(was(specs.CheckUnknown, time.Minute), func(o *observed) { o.Absent = "process/web" }), "Unknown, Unknown RefsNotFound"),
	Entry("looks anew at what comes in place of what went", seen(func(o *observed) { o.Last = noon.Add(-time.Minute) }), "Unknown, Unknown NotRun, due in 5s"),
)

var _ = Describe("decide", func() {
	It("looks again when what it knows grows stale, although a run is under way", func() {
		o := seen(was(specs.CheckPassing, time.Minute), func(o *observed) { o.Running, o.Last = true, noon.Add(-time.Minute) })
		d := decide(o)
		o.Now = o.Now.Add(d.Result.RequeueAfter)
		Expect(d.Status.Verdict).To(Equal(specs.CheckPassing))
		Expect(decide(o).Status.Verdict).To(Equal(specs.CheckUnknown))
	})

	It("says since when a verdict is so, and changes nothing when looked at again", func() {
		o := seen(was(specs.CheckPassing, time.Minute))
		first := decide(o)
		Expect(first.Status.Since.Time).To(Equal(noon.Add(-time.Hour)))
		o.Check.Status, o.Now = first.Status, noon.Add(time.Minute)
		Expect(decide(o).Status).To(Equal(first.Status))
		result(specs.CheckFailing)(o)
		Expect(decide(o).Status.Since.Time).To(Equal(o.Now))
	})
})

var _ = DescribeTable("judge",
	func(outcomes string, limit int, want specs.CheckVerdict, message string) {
		var list []specs.CheckMeasurement
		for _, c := range outcomes {
			list = append(list, map[rune]specs.CheckMeasurement{'+': {Outcome: specs.OutcomeSuccess}, '-': {Outcome: specs.OutcomeFailure, Message: "bad"},
				'?': {Outcome: specs.OutcomeUnknown, Message: "unclear"}}[c])
		}
		verdict, text := judge(list, int32(limit))
		Expect(fmt.Sprint(verdict, " ", text)).To(Equal(fmt.Sprint(want, " ", message)))
	},
	Entry("passes", "+++", 0, specs.CheckPassing, ""),
	Entry("passes with as many failures as may be", "+-+-", 2, specs.CheckPassing, ""),
	Entry("fails with one more", "-+--", 2, specs.CheckFailing, "3 of 4 measurements failed: bad"),
	Entry("fails although others could not be made", "?-", 0, specs.CheckFailing, "1 of 2 measurements failed: bad"),
	Entry("is unknown when none could be made", "??", 1, specs.CheckUnknown, "no measurement could be made: unclear"),
	Entry("is inconclusive when some could not", "+?-", 1, specs.CheckInconclusive, "1 of 3 measurements could not be made: unclear"),
)

var _ = DescribeTable("combine",
	func(answers []Answer, err error, want string) {
		m := combine(answers, err)
		Expect(strings.TrimSpace(fmt.Sprint(m.Outcome, " ", m.Message))).To(Equal(want))
	},
	Entry("succeeds when every copy does", []Answer{{"a", specs.OutcomeSuccess, ""}, {"b", specs.OutcomeSuccess, ""}}, nil, "Success"),
	Entry("fails when one does", []Answer{{"a", specs.OutcomeUnknown, "who"}, {"b", specs.OutcomeFailure, "no\nmore"}}, nil, "Failure b: no"),
	Entry("does not know when one does not", []Answer{{"a", specs.OutcomeSuccess, ""}, {"b", specs.OutcomeUnknown, "who"}}, nil, "Unknown b: who"),
	Entry("fails when none runs that should", nil, nil, "Failure no copy of it runs"),
	Entry("does not know of what is not to run", nil, fmt.Errorf("x: %w", ErrStopped), "Unknown x: no copy of it is to run"),
	Entry("does not know of what is not there", nil, fmt.Errorf("x: %w", store.ErrNotFound), "Unknown x: not found"),
	Entry("does not know when it cannot ask", nil, errors.New("trouble"), "Unknown cannot ask: trouble"),
)
