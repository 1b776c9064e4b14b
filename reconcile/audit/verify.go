package audit

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Verify reads all chains of a directory and tells the first thing that is wrong in each. It needs no lock and changes nothing, so it works
// beside programs that write, and on a copy. The error says that it could not look; what it found is in the report.
func Verify(dir string, pub ed25519.PublicKey) (Report, error) {
	const attempts = 5
	for i := 1; ; i++ {
		before, _ := os.ReadFile(filepath.Join(dir, indexName))
		r, err := verify(dir, pub, before)
		after, _ := os.ReadFile(filepath.Join(dir, indexName))
		if bytes.Equal(before, after) || err == nil && r.OK() || i == attempts {
			return r, err
		} // somebody opened a chain or removed files meanwhile
	}
}

// verifier is what Verify knows of a directory.
type verifier struct {
	dir    string
	pub    ed25519.PublicKey
	found  *listing
	index  *index // nil when it is missing or damaged
	claims map[string][]claim
	report Report
}

// claim is what some other place says of a chain: that the line with a number has this hash.
type claim struct {
	seq  uint64
	hash string
	by   string // whose word it is
}

func verify(dir string, pub ed25519.PublicKey, index []byte) (Report, error) {
	if len(pub) != ed25519.PublicKeySize {
		return Report{}, errors.New("cannot verify: that is no Ed25519 public key")
	}
	found, err := list(dir)
	if err != nil {
		return Report{}, err
	}
	if found.empty() {
		return Report{}, fmt.Errorf("cannot verify audit log %q: there is none", dir)
	}
	v := &verifier{dir: dir, pub: pub, found: found, claims: map[string][]claim{},
		report: Report{Dir: dir, Key: Fingerprint(pub), Chains: []ChainReport{}, Problems: []Problem{}}}
	if v.index, err = decodeIndex(index, pub); err != nil {
		v.indexProblem(index, err)
	}
	if err := v.gather(); err != nil {
		return v.report, err
	}
	return v.report, v.chains()
}

func (v *verifier) problem(p Problem) { v.report.Problems = append(v.report.Problems, p) }

func (v *verifier) indexProblem(index []byte, err error) {
	text := "the index of chains is damaged: " + err.Error()
	if index == nil {
		text = "the index of chains is missing"
	}
	if errors.As(err, new(*otherKeyError)) {
		text = err.Error() + "; the key was swapped, or this is not its public key"
	}
	v.problem(Problem{File: indexName, Text: text})
}

// gather collects what chains say of each other in their first records, what heads say, and what was found wrong earlier. All of it is
// looked at before the chains are read, so that a chain that grows meanwhile is never behind it.
func (v *verifier) gather() error {
	chains := slices.Sorted(maps.Keys(v.found.chains))
	for _, chain := range chains {
		name := fileName(chain, v.found.chains[chain][0])
		if e := v.entry(chain); e != nil && (e.Gone || e.First > 1) || v.found.chains[chain][0] != 1 {
			continue
		}
		n, err := beginning(filepath.Join(v.dir, name))
		if err != nil || n.Kind != KindBegin || n.Key != v.report.Key {
			continue // its chain's own turn tells that
		}
		for _, s := range n.Chains {
			v.claims[s.Chain] = append(v.claims[s.Chain], claim{s.Seq, s.Hash, name + ":1"})
		}
		for _, fault := range n.Faults {
			v.problem(Problem{File: name, Line: 1, Text: "recorded at " + n.Time.Format(time.RFC3339) + ": " + fault})
		}
	}
	for chain := range v.found.heads {
		if len(v.found.chains[chain]) == 0 && v.entry(chain) == nil {
			v.claims[chain] = append(v.claims[chain], claim{1, "", chain + headEnd})
		}
	}
	return nil
}

func (v *verifier) entry(chain string) *entry {
	if v.index == nil {
		return nil
	}
	return v.index.of(chain)
}

// chains verifies each chain that there is or should be.
func (v *verifier) chains() error {
	names := map[string]bool{}
	for chain := range v.found.chains {
		names[chain] = true
	}
	for chain := range v.claims {
		names[chain] = true
	}
	if v.index != nil {
		for _, e := range v.index.entries {
			names[e.Chain] = true
			if e.Until.After(v.report.Removed) {
				v.report.Removed = e.Until
			}
		}
	}
	for _, chain := range slices.Sorted(maps.Keys(names)) {
		e := v.entry(chain)
		if e != nil && e.Gone {
			continue
		}
		numbers := v.found.chains[chain]
		if len(numbers) == 0 {
			v.problem(Problem{File: fileName(chain, 1), Text: "the chain is missing: " + v.namedBy(chain)})
			continue
		}
		if err := v.chain(chain, numbers, e); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) namedBy(chain string) string {
	if v.entry(chain) != nil {
		return indexName + " has it, its files are gone"
	}
	return v.claims[chain][0].by + " names it, its files are gone"
}

// chain verifies one chain. Most signatures are covered by later ones and not looked at; when one is bad, all are, to find the first.
func (v *verifier) chain(chain string, numbers []int, e *entry) error {
	w := &walk{verifier: v, name: chain, entry: e, claims: v.claims[chain]}
	if e != nil {
		numbers = slices.DeleteFunc(slices.Clone(numbers), func(n int) bool { return n < e.First })
	}
	head, headProblem := w.readHead(e)
	p, err := w.run(numbers, false)
	if err == nil && p != nil && w.badSignature {
		*w = walk{verifier: v, name: chain, entry: e, claims: v.claims[chain]}
		_, _ = w.readHead(e)
		p, err = w.run(numbers, true)
	}
	if err != nil {
		return fmt.Errorf("cannot read audit log %q: %w", v.dir, err)
	}
	if p == nil && headProblem != "" {
		p = &Problem{File: chain + headEnd, Text: headProblem}
	}
	if p == nil {
		p = w.atEnd(head)
	}
	if p != nil {
		v.problem(*p)
	}
	v.add(w, len(numbers))
	return nil
}

// readHead reads the chain's head, and takes it for a claim. A chain that ended needs none.
func (w *walk) readHead(e *entry) (n *note, problem string) {
	line, n, err := readHead(w.dir, w.name, w.pub)
	if err == nil {
		w.claims = append(slices.Clone(w.claims), claim{n.Seq, digestOf(line).String(), w.name + headEnd})
		slices.SortStableFunc(w.claims, func(a, b claim) int { return int(min(1, max(-1, int64(a.seq)-int64(b.seq)))) })
		return n, ""
	}
	if err == errNoHead && (e == nil || e.Ended) { // of one that is not in the index its writer died as it began
		return nil, ""
	}
	return nil, err.Error()
}

func (v *verifier) add(w *walk, files int) {
	r := ChainReport{Chain: w.name, Files: files, Lines: w.lines, Last: w.seq, From: w.from, To: w.to, Unsigned: w.unsigned, Half: w.half}
	if w.entry != nil {
		r.Ended, r.Removed = w.entry.Ended, w.entry.Base
	}
	v.report.Chains = append(v.report.Chains, r)
	v.report.Lines += w.lines
	if v.report.From.IsZero() || !r.From.IsZero() && r.From.Before(v.report.From) {
		v.report.From = r.From
	}
	if r.To.After(v.report.To) {
		v.report.To = r.To
	}
}
