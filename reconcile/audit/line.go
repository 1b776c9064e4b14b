package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The kinds of the log's own lines.
const (
	// KindBegin is the first line of a chain: which key signs it, which other chains there are, and what was mended.
	KindBegin = "begin"
	// KindCheckpoint signs the chain up to itself.
	KindCheckpoint = "checkpoint"
	// KindRemoved tells what retention took away.
	KindRemoved = "removed"
)

func isOwn(kind string) bool {
	return kind == KindBegin || kind == KindCheckpoint || kind == KindRemoved
}

// digest of a line, its line break included.
type digest [sha256.Size]byte

func digestOf(line []byte) digest { return sha256.Sum256(line) }

func (d digest) append(b []byte) []byte { return hex.AppendEncode(b, d[:]) }
func (d digest) String() string         { return hex.EncodeToString(d[:]) }

// note is a line of the log's own. Its first four fields are those of every line.
type note struct {
	Seq  uint64    `json:"seq"`
	Prev string    `json:"prev"`
	Time time.Time `json:"time"`
	Kind string    `json:"kind"`

	// Chain by its name: a line is good in its own chain only.
	Chain string `json:"chain"`
	// Key is the fingerprint of the public key.
	Key string `json:"key,omitempty"`
	// From and To are the earliest and the latest time of the lines of this file so far.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Chains are those that there are when this one begins, which no earlier one saw end; or those of which retention took something.
	Chains []standing `json:"chains,omitempty"`
	// Faults that were found then. They stay true: Verify tells them as long as this line is kept.
	Faults []string `json:"faults,omitempty"`
	Text   string   `json:"text,omitempty"`
}

// standing is how far a chain was, as another one saw it.
type standing struct {
	Chain string `json:"chain"`
	// Seq and Hash are those of its last line, or for one that is being written, of its last checkpoint.
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
	Live bool   `json:"live,omitempty"`
	// Unsigned counts the lines after its last checkpoint, which this signs; Cut are the bytes of half a line that were cut off.
	Unsigned int   `json:"unsigned,omitempty"`
	Cut      int64 `json:"cut,omitempty"`
}

// place is what every line begins with.
type place struct {
	seq  uint64
	prev []byte // hex
	time []byte
	kind []byte
}

// placeOf reads the beginning of a line without decoding the rest. It takes nothing but what this package writes.
func placeOf(line []byte) (p place, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"seq":`))
	if !ok {
		return p, false
	}
	i := 0
	for ; i < len(rest) && i < 20 && rest[i] >= '0' && rest[i] <= '9'; i++ {
		p.seq = p.seq*10 + uint64(rest[i]-'0')
	}
	if i == 0 || rest[0] == '0' {
		return p, false
	}
	if rest, ok = bytes.CutPrefix(rest[i:], []byte(`,"prev":"`)); !ok || len(rest) < 2*sha256.Size {
		return p, false
	}
	p.prev = rest[:2*sha256.Size]
	if rest, ok = bytes.CutPrefix(rest[2*sha256.Size:], []byte(`","time":"`)); !ok {
		return p, false
	}
	if p.time, rest, ok = bytes.Cut(rest, []byte(`","kind":"`)); !ok {
		return p, false
	}
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return p, false
	}
	p.kind = rest[:end]
	return p, true
}

func (p *place) is(kind string) bool { return string(p.kind) == kind }

const (
	signedAs = "mirroros audit log\n"
	sigMark  = `,"sig":"`
	sigTail  = len(sigMark) + 2*ed25519.SignatureSize + len("\"}\n")
)

// noteLine encodes a note without a signature.
func noteLine(n *note) []byte {
	b, err := json.Marshal(n)
	if err != nil { // a time beyond the year 9999 is all that could fail, and opening refused that
		panic(err)
	}
	return append(b, '\n')
}

// sign appends the signature over all of a line to it; domain keeps what is signed for one use from another.
func sign(key ed25519.PrivateKey, domain string, line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("}\n"))
	sig := ed25519.Sign(key, append([]byte(domain), line...))
	line = append(line, sigMark...)
	line = hex.AppendEncode(line, sig)
	return append(line, "\"}\n"...)
}

var errSignature = errors.New("its signature is not one of this key over what it says")

// checkSignature of a line that sign made. Every byte of the line counts.
func checkSignature(pub ed25519.PublicKey, domain string, line []byte) error {
	if len(line) < sigTail {
		return errors.New("it has no signature")
	}
	signed, tail := line[:len(line)-sigTail], line[len(line)-sigTail:]
	sig := make([]byte, ed25519.SignatureSize)
	_, err := hex.Decode(sig, tail[len(sigMark):len(tail)-len("\"}\n")])
	if err != nil || string(tail) != sigMark+hex.EncodeToString(sig)+"\"}\n" {
		return errors.New("it has no signature")
	}
	if !ed25519.Verify(pub, append([]byte(domain), signed...), sig) {
		return errSignature
	}
	return nil
}

// parseNote decodes a line of the log's own.
func parseNote(line []byte) (*note, error) {
	n := &note{}
	if err := json.Unmarshal(line, n); err != nil {
		return nil, fmt.Errorf("it is no JSON: %v", err)
	}
	return n, nil
}
