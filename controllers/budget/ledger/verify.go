package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Findings of Verify.
type Findings struct {
	// Faults found, in order of the log; none is a log that is sound.
	Faults []Fault
	// Records, Calls that were settled or charged, and Open reservations.
	Records, Calls, Open int64
	// Torn bytes at the end of the log, which the next writer cuts off: a part of a write of a process that was killed.
	Torn int64
	// Total of what all calls ever took.
	Total Amounts
}

// Fault is one thing that is wrong.
type Fault struct {
	File   string
	Offset int64
	What   string
}

// Verify derives everything anew from the first fact that is kept, and compares it with each running balance, with each book, byte by byte, and the
// counters of the config's budgets with sums over the facts. It may run beside writers; where they compact the log just then, it begins again. An error is
// that it could not read, or that the config cannot be used.
func Verify(dir string, c Config) (Findings, error) {
	for range 100 {
		a, err := compile(c)
		if err != nil {
			return Findings{}, err
		}
		v := verifier{g: logFiles{dir: dir, told: func(string, ...any) {}}, accounts: a}
		err = v.run()
		v.g.close()
		if !errors.Is(err, errBehind) {
			return v.found, err
		}
	}
	return Findings{}, fmt.Errorf("cannot verify the ledger in %s: %w again and again", dir, errBehind)
}

type verifier struct {
	g        logFiles
	accounts *accounts
	found    Findings
}

func (v *verifier) run() error {
	number, b, err := v.first()
	if err != nil || b == nil {
		return err
	}
	b.configure(v.accounts)
	v.g.book = b
	if err := v.g.openLock(); err != nil {
		return err
	}
	for number != 0 {
		t, err := openTail(v.g.dir, number, false)
		if v.add(err) {
			return nil
		}
		if err != nil {
			return gone(err)
		}
		v.g.use(t, nil)
		if number, err = v.file(); err != nil {
			return err
		}
		if number > 0 {
			if err := v.book(number); err != nil {
				return err
			}
		}
	}
	v.found.Calls, v.found.Open, v.found.Total = b.used.Requests, int64(len(b.open)), b.used
	v.counters()
	return nil
}

// first gives the place where the facts that are kept begin: the oldest book, or the first file.
func (v *verifier) first() (uint64, *book, error) {
	books, err := numbers(v.g.dir, bookExt)
	if notExist(err) {
		return 0, nil, nil
	}
	logs, e := numbers(v.g.dir, logExt)
	if err = errors.Join(err, e); err != nil || len(books)+len(logs) == 0 {
		return 0, nil, err
	}
	if len(logs) > 0 && logs[0] == 1 || len(books) == 0 {
		return 1, newBook(), nil
	}
	b, err := readBook(v.g.dir, books[0])
	if v.add(err) {
		return 0, nil, nil
	}
	return books[0], b, gone(err)
}

// add an error that is a fault to the findings.
func (v *verifier) add(err error) bool {
	var f *fault
	if !errors.As(err, &f) {
		return false
	}
	v.found.Faults = append(v.found.Faults, Fault{f.file, f.offset, f.what})
	return true
}

// file reads the records of the present file. Next is the number of the one that goes on.
func (v *verifier) file() (next uint64, err error) {
	size, err := v.g.size()
	if err != nil {
		return 0, err
	}
	var r record
	for t := v.g.tail; ; {
		at := t.off
		payload, _, err := t.next(size)
		if err != nil {
			return 0, err
		}
		if payload == nil {
			v.found.Torn = size - t.off
			err := v.g.cut(size) // which finds damage, and cuts nothing
			if err == nil && t.off == size && v.g.goesOn() {
				err = &fault{file: t.f.Name(), offset: size, what: "its end is missing: later files have records"}
			}
			if v.add(err) {
				v.found.Torn, err = 0, nil
			}
			return 0, err
		}
		if err = r.decode(payload); err == nil {
			err = v.g.book.apply(&r)
		}
		if err != nil {
			v.add(&fault{file: t.f.Name(), offset: at, what: err.Error()})
			return 0, nil
		}
		v.found.Records++
		if b := v.g.book; b.stale {
			again, err := compile(b.accounts.config)
			if err != nil {
				return 0, err
			}
			b.configure(again)
		}
		if r.kind == recEnd {
			if t.off != size {
				v.add(&fault{file: t.f.Name(), offset: t.off, what: "something comes after its end"})
			}
			return r.key, nil
		}
	}
}

// book compares the book of a number, where there is one, with what was derived.
func (v *verifier) book(number uint64) error {
	name := filepath.Join(v.g.dir, fileName(number, bookExt))
	have, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its maker was killed before it was there
	}
	if err != nil {
		return err
	}
	if err := checkHeader(name, magicBook, number, have, ""); err != nil && !v.add(err) {
		return err // of a newer version
	} else if err != nil {
		return nil
	}
	want := v.g.book.encode(number)
	if bytes.Equal(have, want) {
		return nil
	}
	at := 0
	for at < min(len(have), len(want)) && have[at] == want[at] {
		at++
	}
	v.add(&fault{file: name, offset: int64(at), what: "it does not tell what the log files before it tell"})
	return nil
}

// counters compares what was counted call by call with sums over the facts: the same, or of a sliding window, whose facts are coarser, at most those.
func (v *verifier) counters() {
	b := v.g.book
	counted := b.accounts
	again, err := compile(counted.config)
	if err != nil {
		return
	}
	for _, x := range counted.budgets {
		for _, acc := range x.accounts {
			for i := range acc.counters {
				acc.counters[i].advance(b, acc)
			}
		}
	}
	b.accounts = nil // so that nothing is inherited
	b.configure(again)
	for _, x := range counted.budgets {
		for who, acc := range x.accounts {
			for i := range acc.counters {
				c := &acc.counters[i]
				derived := int64(0)
				if other := again.named[x.Name].accounts[who]; other != nil {
					derived = other.counters[i].used
				}
				if c.used > derived || c.used < derived && !c.sliding() {
					v.add(&fault{file: v.g.tail.f.Name(), offset: v.g.tail.off, what: fmt.Sprintf(
						"budget %q, limit %q, account %q: %d was counted call by call, but the facts say %d", x.Name, x.Limits[i].Name, who, c.used, derived)})
				}
			}
		}
	}
}
