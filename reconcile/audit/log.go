package audit

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Defaults of Options.
const (
	DefaultRetain   = 90 * 24 * time.Hour
	DefaultMaxBytes = 2 << 30
)

// Log is a chain that is being written. All methods may be called by many at once.
type Log struct {
	o   Options
	key ed25519.PrivateKey
	// zero is when the log was opened, by the monotonic clock and by Options.Now.
	zero, wall time.Time
	keeper     *keeper
	// turn holds something while somebody writes: whoever put it in. He owns chain and spare.
	turn  chan struct{}
	chain *chain
	spare *batch // for what comes after what is written
	// flush is the timer of what was posted, signing that of the signature.
	flush, signing *time.Timer

	mu sync.Mutex
	// next are the records that wait.
	next   *batch
	posted bool // flush is set
	closed bool
	// failed is what became of a posted record, for the next Write.
	failed error
	head   Head

	ended chan struct{} // closed when nothing is written any more
	last  error         // of the end
}

// Head is where a chain is: its last checkpoint. Whoever notes it elsewhere can prove later that nothing before it was changed.
type Head struct {
	Chain string
	Seq   uint64
	// Hash is the SHA-256 of the checkpoint's line, in hex.
	Hash string
}

// Open begins a chain. Chains whose writers are dead are mended and signed before it answers.
func Open(o Options) (*Log, error) { return open(o, &disk{}) }

func open(o Options, d *disk) (*Log, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make audit log %q: %w", o.Dir, err)
	}
	unlock, err := lockDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot lock audit log %q: %w; another program has held it for %v", o.Dir, err, lockPatience)
	}
	defer unlock()
	found, err := list(o.Dir)
	if err != nil {
		return nil, err
	}
	key, err := openKey(d, o.KeyFile, found.empty())
	if err != nil {
		return nil, err
	}
	l := &Log{o: o, key: key, zero: time.Now(), wall: o.Now(), next: newBatch(),
		turn: make(chan struct{}, 1), ended: make(chan struct{})}
	if l.chain, err = l.begin(d, found); err != nil {
		return nil, err
	}
	l.flush, l.signing = stopped(l.flushed), stopped(l.signs)
	l.keeper = newKeeper(l, l.chain.name, l.chain.disk)
	l.keeper.put(keep{retain: true})
	return l, nil
}

// stopped is a timer that is not set.
func stopped(f func()) *time.Timer {
	t := time.AfterFunc(time.Hour, f)
	t.Stop()
	return t
}

func (o *Options) complete() error {
	if o.Dir == "" || o.KeyFile == "" {
		return errors.New("cannot open audit log: it needs a directory and a key file")
	}
	if !writerName.MatchString(o.Writer) {
		return fmt.Errorf("cannot open audit log %q: writer %q is no name of lower-case letters, digits and -", o.Dir, o.Writer)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Retain <= 0 {
		o.Retain = DefaultRetain
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	return checkTime(o.Now())
}

// begin takes stock of what there is and makes the first file of a chain. When it answers, all of that is durable. In this order: the file,
// its head, the index. Whoever dies in between leaves a chain that the next one takes into the index.
func (l *Log) begin(d *disk, found *listing) (*chain, error) {
	dir, pub, now := l.o.Dir, l.PublicKey(), l.now()
	x, fault, err := openIndex(dir, found, pub)
	if err != nil {
		return nil, err
	}
	t, err := takeStock(d, dir, found, x, l.key, now)
	if err != nil {
		return nil, err
	}
	if fault != "" {
		t.faults = append([]string{fault}, t.faults...)
	}
	c := &chain{disk: d, dir: dir, name: newChain(l.o.Writer, now), key: l.key}
	if _, err := c.next(now, func() {
		c.note(now, &note{Kind: KindBegin, Key: Fingerprint(pub), Chains: t.chains, Faults: t.faults, Text: t.text()})
		c.checkpoint(now)
	}); err != nil {
		return nil, err
	}
	err = d.replace(filepath.Join(dir, c.name+headEnd), c.head)
	if err == nil {
		x.entries = append(x.entries, &entry{Chain: c.name})
		err = x.write(d, dir, l.key, now)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot begin audit log %q: %w", dir, errors.Join(err, c.file.Close()))
	}
	c.nameless = false // the index's directory is the same
	l.head = headOf(c)
	l.tidy(d, found, t, c.name)
	return c, nil
}

// tidy takes away what nobody needs: heads of chains that ended, and files that somebody dead was about to make. What cannot be removed
// harms nobody.
func (l *Log) tidy(d *disk, found *listing, t *taken, own string) {
	for _, name := range t.ended {
		_ = d.remove(filepath.Join(l.o.Dir, name+headEnd))
	}
	for _, temp := range found.temps {
		if !slices.ContainsFunc(t.chains, func(s standing) bool { return s.Live && strings.HasPrefix(temp, s.Chain) }) && !strings.HasPrefix(temp, own) {
			_ = d.remove(filepath.Join(l.o.Dir, temp))
		}
	}
}

// text says what was found, for people.
func (t *taken) text() string {
	live, cut, unsigned := 0, int64(0), 0
	for _, s := range t.chains {
		cut, unsigned = cut+s.Cut, unsigned+s.Unsigned
		if s.Live {
			live++
		}
	}
	out := fmt.Sprintf("begins beside %d chains that are being written; %d have ended since the last one began", live, len(t.ended))
	if cut > 0 {
		out += fmt.Sprintf("; half a line of %d bytes was cut off", cut)
	}
	if unsigned > 0 {
		out += fmt.Sprintf("; %d records that were not signed yet are signed now", unsigned)
	}
	return out
}

// now is the wall clock, as records have it.
func (l *Log) now() time.Time { return l.o.Now().UTC().Round(0) }

// PublicKey verifies what the log signs.
func (l *Log) PublicKey() ed25519.PublicKey { return l.key.Public().(ed25519.PublicKey) }

// Head is the last checkpoint that was written.
func (l *Log) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// SetRetention changes what is kept of this writer's chains, and removes what is too much, a little later. What is not positive means the
// default.
func (l *Log) SetRetention(retain time.Duration, maxBytes int64) {
	l.mu.Lock()
	o := l.o
	o.Retain, o.MaxBytes = retain, maxBytes
	_ = o.complete() // nothing else can be wrong with it
	l.o.Retain, l.o.MaxBytes = o.Retain, o.MaxBytes
	l.mu.Unlock()
	l.keeper.put(keep{retain: true})
}

func (l *Log) retention() (retain time.Duration, maxBytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.o.Retain, l.o.MaxBytes
}

// fileLimit is the size of a file: small beside what is kept, since files go whole. With it comes how long they are kept.
func (l *Log) fileLimit() (size int64, retain time.Duration) {
	retain, maxBytes := l.retention()
	return max(4<<10, min(fileSize, maxBytes/8)), retain
}

// Close writes and signs what waits, and ends the chain. A Write after it fails, what is posted after it is lost.
func (l *Log) Close() error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if !again {
		l.turn <- struct{}{} // for good
		l.last = l.finish()
		close(l.ended)
	}
	<-l.ended
	return l.last
}

func checkTime(t time.Time) error {
	if y := t.Year(); y < 1970 || y > 9999 {
		return fmt.Errorf("cannot record: the year %d is none to write down; is the clock right?", y)
	}
	return nil
}

func headOf(c *chain) Head {
	p, _ := placeOf(c.head)
	return Head{Chain: c.name, Seq: p.seq, Hash: digestOf(c.head).String()}
}
