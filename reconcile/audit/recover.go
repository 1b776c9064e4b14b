package audit

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// taken is what an opener found in a directory, for the first record of its own chain.
type taken struct {
	chains []standing
	faults []string
	// ended are chains whose heads are not needed any more once the index says how they ended.
	ended []string
}

// takeStock looks at every chain that the index does not know to have ended: one that is being written is named with its head, one whose
// writer is dead is mended and ends here. It holds the directory's lock.
func takeStock(d *disk, dir string, l *listing, x *index, key ed25519.PrivateKey, now time.Time) (*taken, error) {
	pub := key.Public().(ed25519.PublicKey)
	unknown, err := adopt(dir, l, x)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(x.entries, func(a, b *entry) int { return strings.Compare(a.Chain, b.Chain) })
	t := &taken{}
	for _, e := range x.entries {
		numbers := l.chains[e.Chain]
		if e.Ended || e.Gone || len(numbers) == 0 { // Verify finds by itself what is missing
			continue
		}
		busy, err := live(dir, e.Chain, numbers[len(numbers)-1])
		if err != nil {
			return nil, fmt.Errorf("cannot look at audit log %q: %w", filepath.Join(dir, fileName(e.Chain, numbers[len(numbers)-1])), err)
		}
		var s standing
		var fault string
		if busy {
			s, fault = liveStanding(dir, e.Chain, pub)
		} else {
			m := &mender{disk: d, dir: dir, chain: e.Chain, key: key, now: now, headless: unknown[e.Chain]}
			s, fault, err = m.mend(numbers)
			e.Ended, e.Seq, e.Hash = true, s.Seq, s.Hash
			t.ended = append(t.ended, e.Chain)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot mend chain %q in audit log %q: %w", e.Chain, dir, err)
		}
		if s.Seq > 0 {
			t.chains = append(t.chains, s)
		}
		if fault != "" {
			t.faults = append(t.faults, "chain "+e.Chain+": "+fault)
		}
	}
	return t, nil
}

// adopt takes chains into the index that it does not have: of somebody who died before, or of an index that was lost.
func adopt(dir string, l *listing, x *index) (unknown map[string]bool, err error) {
	unknown = map[string]bool{}
	for chain, numbers := range l.chains {
		if x.of(chain) != nil {
			continue
		}
		unknown[chain] = true
		e := &entry{Chain: chain}
		if numbers[0] > 1 {
			first, err := firstLine(filepath.Join(dir, fileName(chain, numbers[0])))
			if err != nil {
				return nil, fmt.Errorf("cannot read audit log %q: %w", dir, err)
			}
			if p, ok := placeOf(first); ok {
				e.First, e.Base = numbers[0], p.seq-1
			}
		}
		x.entries = append(x.entries, e)
	}
	return unknown, nil
}

func liveStanding(dir, chain string, pub ed25519.PublicKey) (standing, string) {
	head, n, err := readHead(dir, chain, pub)
	if err != nil {
		return standing{}, err.Error()
	}
	return standing{Chain: chain, Seq: n.Seq, Hash: digestOf(head).String(), Live: true}, ""
}

// mender mends the chain of a writer who is dead.
type mender struct {
	*disk
	dir, chain string
	key        ed25519.PrivateKey
	now        time.Time
	// headless: it may be without a head, since its writer died before it had one, or the index was lost.
	headless bool
}

// mend cuts half a line off the end, signs what its writer did not come to sign, and says how the chain ends. What is wrong is told, and
// left as it is.
func (m *mender) mend(numbers []int) (s standing, fault string, err error) {
	s.Chain = m.chain
	for i := len(numbers) - 1; i >= 0; i-- {
		path := filepath.Join(m.dir, fileName(m.chain, numbers[i]))
		f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
		if err != nil {
			return s, "", err
		}
		fault, err := m.end(f, &s, i > 0)
		if err = errors.Join(err, f.Close()); err != nil || s.Seq > 0 || fault != "" {
			return s, fault, err
		}
		if err := m.remove(path); err != nil { // it was begun when the power went
			return s, "", err
		}
	}
	return s, "", errors.New("it has no file")
}

// end mends the last file. One that is empty is left to the caller when there is one before it.
func (m *mender) end(f *os.File, s *standing, more bool) (fault string, err error) {
	e, err := readEnding(f)
	if err != nil {
		return "", err
	}
	if s.Cut += e.half; e.half > 0 {
		if err := m.truncate(f, e.size); err != nil {
			return "", err
		}
	}
	if e.size == 0 && more {
		return "", nil
	}
	if e.size == 0 {
		return "nothing is left of it", nil
	}
	seq, hash := e.last()
	s.Seq, s.Hash, s.Unsigned = seq, hash.String(), len(e.rest)
	if fault := m.check(e); fault != "" {
		return fault, nil
	}
	if len(e.rest) > 0 {
		line := sign(m.key, signedAs, noteLine(&note{Seq: seq + 1, Prev: s.Hash, Time: m.now, Kind: KindCheckpoint, Chain: m.chain,
			From: e.times.from, To: e.times.to, Text: "signed by the next one, for a writer who died"}))
		if err := m.write(f, line); err != nil {
			return "", err
		}
		s.Seq, s.Hash = seq+1, digestOf(line).String()
	}
	return "", m.sync(f)
}

// check follows the chain from its last checkpoint to its end, and looks whether that is where its head says it was.
func (m *mender) check(e *ending) (fault string) {
	if e.signed == nil {
		return "its last file has no checkpoint"
	}
	pub := m.key.Public().(ed25519.PublicKey)
	p, _ := placeOf(e.signed)
	if err := checkSignature(pub, signedAs, e.signed); err != nil {
		return fmt.Sprintf("checkpoint %d: %v", p.seq, err)
	}
	seq, prev := p.seq, digestOf(e.signed)
	for _, line := range e.rest {
		if p, ok := placeOf(line); !ok || p.seq != seq+1 || string(p.prev) != prev.String() {
			return fmt.Sprintf("what follows record %d does not follow from it", seq)
		}
		seq, prev = seq+1, digestOf(line)
	}
	head, n, err := readHead(m.dir, m.chain, pub)
	switch {
	case err == errNoHead && m.headless:
		return ""
	case err != nil:
		return err.Error()
	case n.Seq > seq:
		return fmt.Sprintf("it ends with record %d, but its head says that there was record %d", seq, n.Seq)
	case n.Seq == p.seq && !bytes.Equal(head, e.signed):
		return fmt.Sprintf("checkpoint %d is not the one that its head has", p.seq)
	}
	return ""
}

var errNoHead = errors.New("its head file is missing")

// readHead reads the copy of a chain's last checkpoint that is kept apart.
func readHead(dir, chain string, pub ed25519.PublicKey) (line []byte, n *note, err error) {
	line, err = os.ReadFile(filepath.Join(dir, chain+headEnd))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, errNoHead
	}
	if err != nil {
		return nil, nil, err
	}
	if err := checkSignature(pub, signedAs, line); err != nil {
		return nil, nil, fmt.Errorf("its head file is damaged: %v", err)
	}
	if n, err = parseNote(line); err != nil || n.Chain != chain || n.Kind != KindCheckpoint {
		return nil, nil, errors.New("its head file is that of another chain")
	}
	return line, n, nil
}
