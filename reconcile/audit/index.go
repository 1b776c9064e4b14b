package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// index is the signed list of all chains of a directory. Whoever opens a chain or removes files replaces it, holding the directory's lock.
type index struct {
	entries []*entry
}

// entry is one chain.
type entry struct {
	Chain string `json:"chain"`
	// First is the number of the first file that is kept, when retention took those before it; Base is the number of the last record that
	// went, and Until the latest time of those.
	First int       `json:"first,omitempty"`
	Base  uint64    `json:"base,omitempty"`
	Until time.Time `json:"until,omitzero"`
	// Ended: nobody writes it any more, Seq and Hash are those of its last line.
	Ended bool   `json:"ended,omitempty"`
	Seq   uint64 `json:"seq,omitempty"`
	Hash  string `json:"hash,omitempty"`
	// Gone: retention took all of it.
	Gone bool `json:"gone,omitempty"`
}

// indexSeal is the last line of an index.
type indexSeal struct {
	Kind   string    `json:"kind"`
	Time   time.Time `json:"time"`
	Key    string    `json:"key"`
	Digest string    `json:"digest"`
}

const indexSignedAs = "mirroros audit index\n"

func (x *index) of(chain string) *entry {
	i := slices.IndexFunc(x.entries, func(e *entry) bool { return e.Chain == chain })
	if i < 0 {
		return nil
	}
	return x.entries[i]
}

func (x *index) encode(key ed25519.PrivateKey, at time.Time) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, e := range x.entries {
		_ = enc.Encode(e) // never fails
	}
	seal, _ := json.Marshal(indexSeal{Kind: "index", Time: at, Key: Fingerprint(key.Public().(ed25519.PublicKey)), Digest: digestOf(b.Bytes()).String()})
	b.Write(sign(key, indexSignedAs, append(seal, '\n')))
	return b.Bytes()
}

// otherKeyError: what is there was signed by another key.
type otherKeyError struct{ have, want string }

func (e *otherKeyError) Error() string {
	return fmt.Sprintf("it is signed by key %s, not by %s", e.have, e.want)
}

func decodeIndex(data []byte, pub ed25519.PublicKey) (*index, error) {
	body := bytes.TrimSuffix(data, []byte("\n"))
	cut := bytes.LastIndexByte(body, '\n') + 1
	entries, line := data[:cut], data[cut:]
	var seal indexSeal
	if err := json.Unmarshal(line, &seal); err != nil || seal.Kind != "index" {
		return nil, errors.New("its last line is damaged")
	}
	if err := checkSignature(pub, indexSignedAs, line); err != nil {
		if key := Fingerprint(pub); seal.Key != key {
			return nil, &otherKeyError{seal.Key, key}
		}
		return nil, err
	}
	if digestOf(entries).String() != seal.Digest {
		return nil, errors.New("it is not what was signed")
	}
	x := &index{}
	for line := range bytes.Lines(entries) {
		e := &entry{}
		if err := json.Unmarshal(line, e); err != nil {
			return nil, err
		}
		x.entries = append(x.entries, e)
	}
	return x, nil
}

func readIndex(dir string, pub ed25519.PublicKey) (*index, error) {
	data, err := os.ReadFile(filepath.Join(dir, indexName))
	if err != nil {
		return nil, err
	}
	return decodeIndex(data, pub)
}

// openIndex reads the index for somebody who goes on writing: one that is missing or damaged is empty, which is told as a fault.
func openIndex(dir string, l *listing, pub ed25519.PublicKey) (x *index, fault string, err error) {
	x, err = readIndex(dir, pub)
	var other *otherKeyError
	switch {
	case err == nil:
		return x, "", nil
	case errors.As(err, &other):
		return nil, "", fmt.Errorf("cannot go on with audit log %q: %v; put the right key back, or move the log away to begin a new one", dir, err)
	case errors.Is(err, fs.ErrNotExist) && l.empty():
		return &index{}, "", nil
	case errors.Is(err, fs.ErrNotExist):
		fault = "the index of chains was missing"
	default:
		if errors.As(err, new(*fs.PathError)) {
			return nil, "", fmt.Errorf("cannot read audit log %q: %w", dir, err)
		}
		fault = fmt.Sprintf("the index of chains was damaged (%v)", err)
	}
	return &index{}, fmt.Sprintf("%s; it was made anew from the files of %d chains", fault, len(l.chains)), nil
}

func (x *index) write(d *disk, dir string, key ed25519.PrivateKey, at time.Time) error {
	if err := d.replace(filepath.Join(dir, indexName), x.encode(key, at)); err != nil {
		return err
	}
	return d.syncDir(dir)
}
