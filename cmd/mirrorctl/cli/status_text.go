package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"mirroros.dev/mirroros/specs"
)

const (
	// maxFaults is how many faults of a stack are listed before a count does.
	maxFaults = 20
	// maxNotReady is how many processes that are not ready are listed before a count does.
	maxNotReady = 100
)

func (c *command) printStatus(a *statusAnswer) {
	for _, cond := range a.Conditions {
		fmt.Fprintln(c.Out, paint(c.Out, red, cond.Type)+"  "+oneLine(cond.Message))
	}
	for i := range a.Stacks {
		c.printStack(&a.Stacks[i])
	}
	switch {
	case len(a.Stacks) == 0 && a.Declared == 0:
		fmt.Fprintln(c.Out, paint(c.Out, yellow, "the files have not been read yet"))
	case a.Declared == 0:
		fmt.Fprintln(c.Out, "no process is declared")
	case a.Ready == a.Declared:
		fmt.Fprintln(c.Out, paint(c.Out, green, fmt.Sprintf("%d of %d ready", a.Ready, a.Declared)))
	default:
		fmt.Fprintln(c.Out, paint(c.Out, yellow, fmt.Sprintf("%d of %d ready", a.Ready, a.Declared)))
	}
	var rows [][]string
	for i := range a.Processes {
		if p := &a.Processes[i]; !p.Ready {
			rows = append(rows, []string{p.Name, p.Reason, c.whyNot(p)})
		}
	}
	left := len(rows) - maxNotReady
	columns(c.Out, nil, rows[:min(len(rows), maxNotReady)])
	c.printGates(a)
	c.printChecks(a)
	if left > 0 {
		fmt.Fprintf(c.Out, "and %d more; `mirrorctl get process` lists all\n", left)
	}
	if a.Host != nil {
		c.printHost(a.Host)
	}
}

func (c *command) printStack(s *stackStatus) {
	fmt.Fprintf(c.Out, "stack/%s  %s\n", s.Name, stackLine(s, c.now()))
	for i, f := range s.Faults {
		if i == maxFaults {
			fmt.Fprintf(c.Out, "  and %d more\n", len(s.Faults)-i)
			break
		}
		fmt.Fprintln(c.Out, "  "+paint(c.Out, red, f.String()))
	}
	if p := s.Pending; p != nil {
		fmt.Fprintf(c.Out, "  waits for you (%s): %d to create, %d to change, %d to remove.  %s\n", p.Reason, p.Create, p.Update, p.Delete, paint(c.Out, yellow, p.Command))
	}
	for _, line := range []struct{ head, text string }{{"held: ", s.Held}, {"stalled: ", s.Stalled}, {"", s.Reconciling}} {
		if line.text != "" {
			fmt.Fprintln(c.Out, "  "+line.head+oneLine(line.text))
		}
	}
}

// stackLine says what is in force, what is on disk, and whether edits act by themselves.
func stackLine(s *stackStatus, now time.Time) string {
	line := "nothing live"
	if s.Live != nil {
		line = "live " + revisionText(s.Live)
	}
	switch {
	case len(s.Faults) > 0:
		files := map[string]bool{}
		for _, f := range s.Faults {
			files[f.File] = true
		}
		line += fmt.Sprintf("; disk is ahead: refused%s, %s in %s.", agoText(s, now), count(len(s.Faults), "fault"), count(len(files), "file"))
	case s.Disk == nil:
		line += "; disk not read yet."
	case s.Unreadable && s.Live == nil:
		line += "; disk unknown."
	case s.Unreadable && s.Live.Digest == s.Disk.Digest:
		line += "; disk unknown, last seen the same."
	case s.Unreadable:
		line += "; disk unknown, last seen ahead: " + revisionText(s.Disk) + "."
	case s.Live != nil && s.Live.Digest == s.Disk.Digest:
		line += "; disk the same."
	case s.Pending != nil && s.Pending.Reason == specs.ReasonHeld:
		line += fmt.Sprintf(" (revision %d); disk is held: %s.", s.Live.Number, revisionText(s.Disk))
	default:
		line += "; disk is ahead: " + revisionText(s.Disk) + "."
	}
	if s.Suspended {
		return line + " Suspended: " + suspendText(map[string]string{specs.AnnotationSuspendReason: cmp.Or(s.SuspendReason, "the files are not followed"),
			specs.AnnotationResumeAt: s.ResumeAt}, time.Local) + "."
	}
	return line + " " + string(cmp.Or(s.Sync, specs.SyncAuto)) + "." + localityText(s)
}

func agoText(s *stackStatus, now time.Time) string {
	if s.RefusedAt == nil {
		return ""
	}
	return " " + shortDuration(now.Sub(s.RefusedAt.Time)) + " ago"
}

// revisionText is a revision in a few words: 3f2a91c main, clean.
func revisionText(r *specs.Revision) string {
	short := strings.TrimSuffix(r.Short(), "+")
	switch {
	case r.Commit == "":
		return short + " (not in git)"
	case r.Dirty:
		return strings.TrimSpace(short+" "+r.Branch) + ", dirty"
	}
	return strings.TrimSpace(short+" "+r.Branch) + ", clean"
}

// whyNot is what is to be said of a process that is not ready: how many are, restarts, the last exit, the next try, since when.
func (c *command) whyNot(p *processStatus) string {
	var parts []string
	if p.Replicas > 1 {
		parts = append(parts, fmt.Sprintf("%d of %d ready", p.ReadyReplicas, p.Replicas))
	}
	if p.Restarts > 0 {
		text := count(int(p.Restarts), "restart")
		if p.instance != nil && !p.instance.CreationTimestamp.IsZero() {
			text += " in " + c.age(p.instance.CreationTimestamp)
		}
		parts = append(parts, text)
	}
	if text := p.cause(); text != "" {
		parts = append(parts, oneLine(text))
	}
	switch {
	case p.NextTry != nil && p.NextTry.After(c.now()):
		parts = append(parts, "next try in "+shortDuration(p.NextTry.Sub(c.now())))
	case p.NextTry != nil:
		parts = append(parts, "next try now")
	}
	if p.Since != nil {
		parts = append(parts, "for "+c.age(*p.Since))
	}
	return strings.Join(parts, "  ")
}

// cause in words: what the worst copy waits for, with how its last run ended; else what the process says of itself.
func (p *processStatus) cause() string {
	if p.instance == nil || p.Reason == specs.ReasonSuspended {
		return p.Message
	}
	st := &p.instance.Status
	last := ""
	if x := st.LastExit(); x != nil {
		last = cmp.Or(x.Message, x.Short())
	}
	text := ""
	if w := st.State.Waiting; w != nil {
		text = w.Message
	} else if cond := readyCondition(st); cond != nil && !st.Ready {
		text = cond.Message
	}
	switch {
	case last == "" || strings.Contains(text, last):
		return cmp.Or(text, p.Message)
	case text == "" || strings.Contains(last, text):
		return last
	}
	return text + "; last " + last
}

// printHost prints what the operator says of itself and its host.
func (c *command) printHost(host object) {
	fmt.Fprintln(c.Out)
	var rows [][]string
	for _, k := range slices.Sorted(maps.Keys(host)) {
		switch v := host[k].(type) {
		case object:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				rows = append(rows, []string{k + "." + name, plainValue(v[name])})
			}
		case []any:
			for _, w := range v {
				rows = append(rows, []string{k, plainValue(w)})
			}
		default:
			rows = append(rows, []string{k, plainValue(v)})
		}
	}
	columns(c.Out, nil, rows)
}

func plainValue(v any) string {
	if f, ok := v.(float64); ok {
		return fmt.Sprintf("%.0f", f)
	}
	if v == nil || v == "" {
		return "none"
	}
	return oneLine(fmt.Sprint(v))
}

// oneLine is text with its line breaks made visible as spaces.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// shortDuration is a duration as kubectl prints ages: 38s, 4m, 3h12m.
func shortDuration(d time.Duration) string { return duration.HumanDuration(max(d, 0)) }
