package control

import (
	"context"
	"maps"
	"os"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// countEvery is the least time between two messages of counters.
const countEvery = time.Second

// ClientOptions of NewClient; all but Log must be set. The functions are called by Run alone, one at a time.
type ClientOptions struct {
	// Path of the operator's socket. Its directory must be there.
	Path string
	// Hello is what to say first, and copies of the sockets that it names, in their order; they are closed then.
	Hello func() (Hello, []*os.File)
	// Take is given a socket by name. The file is the callee's.
	Take func(name string, f *os.File)
	// Reload loads the files whose numbers changed; Running then says how that went.
	Reload func()
	// Running is what the gate runs now, Counts all its counters.
	Running func() Running
	Counts  func() Counts
	Log     logr.Logger
}

// Client is the gate's side of the line.
type Client struct {
	o       ClientOptions
	running chan struct{} // capacity 1: Running may have changed
	counts  chan struct{} // capacity 1: Counts has changed
	counted atomic.Bool   // counts was told since Counts was read last
}

// NewClient makes a client; Run connects it.
func NewClient(o ClientOptions) *Client {
	return &Client{o: o, running: make(chan struct{}, 1), counts: make(chan struct{}, 1)}
}

// Tell has Running sent if it has changed. It may be called from any goroutine, and does not wait.
func (c *Client) Tell() { poke(c.running) }

// Count has the counters sent that changed, within a second or so. It may be called from any goroutine, does not wait, and costs next to
// nothing when it was called just before.
func (c *Client) Count() {
	if !c.counted.Load() && !c.counted.Swap(true) {
		poke(c.counts)
	}
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Run keeps connected until ctx ends: it connects when the operator comes back, and says hello again.
func (c *Client) Run(ctx context.Context) {
	var d dialer
	for ctx.Err() == nil {
		conn := d.dial(ctx, c.o.Path)
		if conn == nil {
			return
		}
		heard, err := c.converse(ctx, newPackets(conn))
		conn.Close()
		if err != nil && ctx.Err() == nil && !isHangup(err) {
			c.o.Log.Info("The line to the operator was cut", "why", err.Error())
		}
		d.ended(heard)
	}
}

// talk is one conversation.
type talk struct {
	*Client
	packets *packets
	running Running // as it was sent last
	gates   map[string]GateCount
	rules   map[string]RuleCount
	budgets map[BudgetAccount]BudgetCount
	last    time.Time // when counters were sent
}

// incoming is what the reader of a conversation got.
type incoming struct {
	m     *message
	files []*os.File
	err   error
}

// converse talks until the line is cut or ctx ends, and tells whether the operator said anything.
func (c *Client) converse(ctx context.Context, p *packets) (heard bool, err error) {
	t := &talk{Client: c, packets: p, gates: map[string]GateCount{}, rules: map[string]RuleCount{}}
	if err := t.hello(); err != nil {
		return false, err
	}
	in, end := make(chan incoming), make(chan struct{})
	read := make(chan struct{})
	go func() {
		defer close(read)
		for {
			m, files, err := p.receive()
			select {
			case in <- incoming{m, files, err}:
			case <-end:
				closeAll(files)
				return
			}
			if err != nil {
				return
			}
		}
	}()
	defer func() { p.Close(); close(end); <-read }()
	poke(c.counts) // this operator knows none
	var due <-chan time.Time
	for err == nil {
		select {
		case <-ctx.Done():
			return heard, ctx.Err()
		case i := <-in:
			if err = i.err; err == nil {
				heard = true
				err = t.obey(i)
			}
		case <-c.running:
			err = t.tell(0)
		case <-c.counts:
			due = time.After(time.Until(t.last.Add(countEvery)))
		case <-due:
			due = nil
			err = t.count()
		}
	}
	return heard, err
}

// hello says who the gate is and which sockets it has.
func (t *talk) hello() error {
	h, files := t.o.Hello()
	defer closeAll(files)
	h.Running = *h.Running.bounded()
	t.running = h.Running
	names := h.Sockets
	first := min(len(names), maxFiles)
	h.Sockets = names[:first]
	m := &message{Hello: &h, More: first < len(names)}
	for at, to := 0, first; ; at, to = to, min(to+maxFiles, len(names)) {
		if at > 0 {
			m = &message{Sockets: names[at:to], More: to < len(names)}
		}
		if err := t.packets.send(m, files[at:to]...); err != nil || !m.More {
			return err
		}
	}
}

// obey does what the operator said.
func (t *talk) obey(i incoming) error {
	for n, name := range i.m.names() {
		t.o.Take(name, i.files[n])
	}
	if i.m.Reload == 0 {
		if len(i.files) > 0 {
			return t.tell(0)
		}
		return nil
	}
	t.o.Reload()
	return t.tell(i.m.Reload)
}

// tell says what the gate runs, when that is news or the answer to a request.
func (t *talk) tell(answer int64) error {
	now := t.o.Running().bounded()
	if answer == 0 && reflect.DeepEqual(*now, t.running) {
		return nil
	}
	t.running = *now
	return t.packets.send(&message{Running: now, Answer: answer})
}

// count says which counters changed.
func (t *talk) count() error {
	t.Client.counted.Store(false) // before they are read: what changes from here on is told later
	all := t.o.Counts()
	t.last = time.Now()
	gates := slices.DeleteFunc(slices.Clone(all.Gates), func(g GateCount) bool { return t.gates[g.Name] == g })
	rules := slices.DeleteFunc(slices.Clone(all.Rules), func(r RuleCount) bool { return t.rules[r.Name] == r })
	budgets := slices.DeleteFunc(slices.Clone(all.Budgets), func(b BudgetCount) bool { return t.budgets[b.BudgetAccount] == b })
	for len(gates)+len(rules) > 0 {
		n, k := min(len(gates), maxCounts), min(len(rules), maxCounts)
		if err := t.packets.send(&message{Counts: &Counts{Gates: gates[:n], Rules: rules[:k]}}); err != nil {
			return err
		}
		gates, rules = gates[n:], rules[k:]
	}
	for some := range slices.Chunk(budgets, maxCounts) {
		if err := t.packets.send(&message{Counts: &Counts{Budgets: some}}); err != nil {
			return err
		}
	}
	t.gates, t.rules = by(all.Gates, func(g GateCount) string { return g.Name }), by(all.Rules, func(r RuleCount) string { return r.Name })
	t.budgets = by(all.Budgets, func(b BudgetCount) BudgetAccount { return b.BudgetAccount })
	return nil
}

func by[K comparable, T any](list []T, name func(T) K) map[K]T {
	return maps.Collect(func(yield func(K, T) bool) {
		for _, v := range list {
			if !yield(name(v), v) {
				return
			}
		}
	})
}
