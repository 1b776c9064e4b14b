package budget

import (
	"sync"
	"time"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

// logFiles is the log of the gates. Its reader is opened when it is first needed, and anew after an error.
type logFiles struct {
	dir string

	mu     sync.Mutex // guards reader, and is held while it reads
	reader *ledger.Reader
}

// with calls fn with the reader.
func (l *logFiles) with(fn func(*ledger.Reader) error) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reader == nil {
		if l.reader, err = ledger.OpenReader(l.dir); err != nil {
			l.reader = nil
			return err
		}
	}
	if err = fn(l.reader); err != nil {
		_ = l.reader.Close()
		l.reader = nil
	}
	return err
}

func (l *logFiles) Report(c ledger.Config, now time.Time) (out []ledger.BudgetReport, err error) {
	err = l.with(func(r *ledger.Reader) error {
		if _, err := r.Refresh(); err != nil {
			return err
		}
		out, err = r.Report(c, now)
		return err
	})
	return out, err
}

func (l *logFiles) History(q ledger.HistoryQuery) (out []ledger.HistoryRow, err error) {
	err = l.with(func(r *ledger.Reader) error {
		out, err = r.History(q)
		return err
	})
	return out, err
}

func (l *logFiles) Reset(budget, reason string) error {
	return ledger.Reset(l.dir, budget, reason, nil)
}

func (l *logFiles) Verify(c ledger.Config) (ledger.Findings, error) { return ledger.Verify(l.dir, c) }
