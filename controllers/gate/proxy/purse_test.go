package proxy_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// purse is a ledger in memory with one budget of tokens and requests, which notes what it is asked for.
type purse struct {
	mu sync.Mutex
	// tokens and requests that there are; what is used, with what is reserved.
	tokens, requests         int64
	usedTokens, usedRequests int64
	// loose: no budget holds, so nothing is refused.
	loose bool
	// to is where a call that does not fit may go.
	to string
	// down makes Reserve fail, and full Commit.
	down, full bool
	wait       chan struct{} // Reserve waits for it, where it is set
	settling   func()        // is called by Settle, where it is set

	asks      []proxy.Ask
	committed []bool
	settled   []proxy.Used // all parts of a call as one
	cancelled int
	open      int
}

// fund is a held reservation of a purse.
type fund struct {
	p      *purse
	input  int64
	output int64
	n      int64
	over   sync.Once
	left   [2]proxy.Left
}

func (p *purse) Reserve(ctx context.Context, a *proxy.Ask) (proxy.Reservation, *proxy.Exceeded, error) {
	if p.wait != nil {
		select {
		case <-p.wait:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asks = append(p.asks, *a)
	if p.down {
		return nil, nil, errors.New("the disk is gone")
	}
	free, output := p.tokens-p.usedTokens, a.Output
	if !p.loose {
		if n := (free - a.Input) / max(1, a.Choices); n < output {
			output = n
		}
		over := &proxy.Exceeded{Budget: "team", Limit: "daily", Measure: "tokens", Need: a.Input + a.MinOutput*a.Choices, Used: p.usedTokens,
			Amount: p.tokens, Reset: 3*time.Hour + 12*time.Minute, Downgrade: p.to}
		if a.Input > free || output < a.MinOutput {
			return nil, over, nil
		}
		if p.usedRequests >= p.requests {
			over.Limit, over.Measure, over.Need, over.Used, over.Amount, over.Reset = "rate", "requests", 1, p.usedRequests, p.requests, 20*time.Second
			return nil, over, nil
		}
	}
	f := &fund{p: p, input: a.Input, output: output, n: a.Choices}
	p.open++
	p.usedTokens += f.tokens()
	p.usedRequests++
	f.left = [2]proxy.Left{{Known: true, Limit: p.tokens, Remaining: p.tokens - p.usedTokens, Reset: 6 * time.Minute},
		{Known: true, Limit: p.requests, Remaining: p.requests - p.usedRequests, Reset: 900 * time.Millisecond}}
	return f, nil, nil
}

func (f *fund) tokens() int64 { return f.input + f.output*f.n }
func (f *fund) Held() bool    { return !f.p.loose }
func (f *fund) Output() int64 { return f.output }

func (f *fund) Commit(durable bool) error {
	f.p.mu.Lock()
	full := f.p.full
	f.p.committed = append(f.p.committed, durable)
	f.p.mu.Unlock()
	if full {
		f.Cancel()
		return errors.New("no space left")
	}
	return nil
}

func (f *fund) Settle(parts ...proxy.Used) {
	f.over.Do(func() {
		if f.p.settling != nil {
			f.p.settling()
		}
		f.p.mu.Lock()
		defer f.p.mu.Unlock()
		all := proxy.Used{Price: parts[len(parts)-1].Price}
		for _, u := range parts {
			all.Input, all.Cached, all.Output = all.Input+u.Input, all.Cached+u.Cached, all.Output+u.Output
		}
		f.p.settled = append(f.p.settled, all)
		f.p.usedTokens += all.Input + all.Output - f.tokens()
		f.p.open--
	})
}

func (f *fund) Cancel() {
	f.over.Do(func() {
		f.p.mu.Lock()
		defer f.p.mu.Unlock()
		f.p.cancelled++
		f.p.usedTokens -= f.tokens()
		f.p.usedRequests--
		f.p.open--
	})
}

func (f *fund) Left() (tokens, requests proxy.Left) {
	if f.p.loose {
		return
	}
	return f.left[0], f.left[1]
}

// state is what came of the calls so far.
type pursed struct {
	Settled               []proxy.Used
	Cancelled, Open, Asks int
	Used                  int64
}

func (p *purse) state() pursed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pursed{append([]proxy.Used{}, p.settled...), p.cancelled, p.open, len(p.asks), p.usedTokens}
}

// last is what was asked for last.
func (p *purse) last() proxy.Ask {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asks[len(p.asks)-1]
}
