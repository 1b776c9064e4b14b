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
func takeStock(d *disk, dir string, l *listing, x *index, pub ed25519.PublicKey) (*taken, error) {
	for chain := range l.chains { // of somebody who died before the index had it
		if x.of(chain) == nil {
			x.entries = append(x.entries, &entry{Chain: chain})
		}
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
			s, fault, err = mend(d, dir, e.Chain, numbers, pub)
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

func liveStanding(dir, chain string, pub ed25519.PublicKey) (standing, string) {
	head, n, err := readHead(dir, chain, pub)
	if err != nil {
		return standing{}, err.Error()
	}
	return standing{Chain: chain, Seq: n.Seq, Hash: digestOf(head).String(), Live: true}, ""
}

// mend cuts half a line off the end of a chain whose writer is dead, and says how it ends. What is wrong is told, and left as it is.
func mend(d *disk, dir, chain string, numbers []int, pub ed25519.PublicKey) (s standing, fault string, err error) {
	s.Chain = chain
	for i := len(numbers) - 1; i >= 0; i-- {
		path := filepath.Join(dir, fileName(chain, numbers[i]))
		e, err := cutHalf(d, path)
		if err != nil {
			return s, "", err
		}
		s.Cut += e.half
		if e.size == 0 && i > 0 { // it was begun when the power went
			if err := d.remove(path); err != nil {
				return s, "", err
			}
			continue
		}
		if e.size == 0 {
			return s, "nothing is left of it", nil
		}
		seq, hash := e.last()
		s.Seq, s.Hash, s.Unsigned = seq, hash.String(), len(e.rest)
		return s, checkEnding(e, dir, chain, pub), nil
	}
	return s, "", errors.New("it has no file")
}

func cutHalf(d *disk, path string) (*ending, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	e, err := readEnding(f)
	if err != nil {
		return nil, err
	}
	if e.half > 0 {
		err = d.truncate(f, e.size)
	}
	if err == nil {
		err = d.sync(f)
	}
	return e, err
}

// checkEnding follows the chain from its last checkpoint to its end, and looks whether that is where its head says it was.
func checkEnding(e *ending, dir, chain string, pub ed25519.PublicKey) (fault string) {
	if e.signed == nil {
		return "its last file has no checkpoint"
	}
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
	head, n, err := readHead(dir, chain, pub)
	switch {
	case err != nil:
		return err.Error()
	case n.Seq > seq:
		return fmt.Sprintf("it ends with record %d, but its head says that there was record %d", seq, n.Seq)
	case n.Seq == p.seq && !bytes.Equal(head, e.signed):
		return fmt.Sprintf("checkpoint %d is not the one that its head has", p.seq)
	}
	return ""
}

// readHead reads the copy of a chain's last checkpoint that is kept apart.
func readHead(dir, chain string, pub ed25519.PublicKey) (line []byte, n *note, err error) {
	line, err = os.ReadFile(filepath.Join(dir, chain+headEnd))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, errors.New("its head file is missing")
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
