package audit

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The files of a directory: <chain>-NNNN.jsonl from 0001 on, <chain>.head, and one index of all chains.
const (
	indexName = "chains.index"
	headEnd   = ".head"
	tempEnd   = ".tmp"
)

var (
	writerName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	chainName  = regexp.MustCompile(`^[a-z][a-z0-9-]*-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$`)
	fileOf     = regexp.MustCompile(`^(.+)-([0-9]{4,})\.jsonl$`)
)

// newChain names a chain after who writes it and when it began.
func newChain(writer string, at time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return writer + "-" + at.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}

func fileName(chain string, n int) string { return fmt.Sprintf("%s-%04d.jsonl", chain, n) }

// writerOf a chain.
func writerOf(chain string) string {
	const tail = len("-20060102T150405Z-") + 8
	return chain[:max(0, len(chain)-tail)]
}

// parseFile tells chain and number of a file by its name.
func parseFile(name string) (chain string, n int, ok bool) {
	m := fileOf.FindStringSubmatch(name)
	if m == nil || !chainName.MatchString(m[1]) {
		return "", 0, false
	}
	n, err := strconv.Atoi(m[2])
	return m[1], n, err == nil && fileName(m[1], n) == name
}

// listing is what is in a directory.
type listing struct {
	// chains has the numbers of the files of each chain, in order.
	chains map[string][]int
	heads  map[string]bool
	// temps are files that somebody was about to make, by name.
	temps []string
	index bool
}

func list(dir string) (*listing, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read audit log %q: %w", dir, err)
	}
	l := &listing{chains: map[string][]int{}, heads: map[string]bool{}}
	for _, e := range entries {
		name := e.Name()
		if chain, n, ok := parseFile(name); ok {
			l.chains[chain] = append(l.chains[chain], n)
		} else if chain, ok := strings.CutSuffix(name, headEnd); ok && chainName.MatchString(chain) {
			l.heads[chain] = true
		} else if strings.HasSuffix(name, tempEnd) {
			l.temps = append(l.temps, name)
		} else if name == indexName {
			l.index = true
		}
	}
	for _, numbers := range l.chains {
		slices.Sort(numbers)
	}
	return l, nil
}

// empty tells that nobody has ever written here.
func (l *listing) empty() bool { return len(l.chains) == 0 && len(l.heads) == 0 && !l.index }
