package ledger

import (
	"errors"
	"fmt"
)

// Reset makes a budget forget what was used, for all its accounts: a fact in the log, which running ledgers heed with their next decision.
// It is on the disk when Reset returns. What calls under way take counts after it. A nil clock is that of the host.
func Reset(dir, budget, reason string, clock Clock) error {
	if clock == nil {
		clock = hostClock{}
	}
	if len(budget) > maxText || len(reason) > maxText {
		return fmt.Errorf("cannot reset a budget with a name or reason of more than %d bytes", maxText)
	}
	g := logFiles{dir: dir, writing: true, told: func(string, ...any) {}}
	err := g.begin()
	if err == nil {
		err = g.reset(budget, reason, clock)
		g.release()
	}
	g.close()
	if err != nil {
		return fmt.Errorf("cannot reset budget %q in the ledger %s: %w", budget, dir, err)
	}
	return nil
}

func (g *logFiles) reset(budget, reason string, clock Clock) error {
	b, t := g.book, g.tail
	now := timepiece{Clock: clock}
	fresh := now.set(b)
	at := now.read(b.now)
	facts := []record{{kind: recTime, at: at, used: b.used, held: b.held}}
	if fresh {
		facts = append(facts, record{kind: recBoot, text: clock.BootID(), number: now.offset})
	}
	facts = append(facts, record{kind: recReset, text: budget, more: reason, at: at})
	var buf []byte
	for i := range facts {
		buf = appendFrame(buf, t.number, t.off, &facts[i])
	}
	return errors.Join(g.write(buf), fdatasync(t.f))
}
