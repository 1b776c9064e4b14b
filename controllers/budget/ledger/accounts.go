package ledger

import (
	"fmt"
	"slices"
	"strings"
)

// accounts of a config.
type accounts struct {
	config     Config
	budgets    []*budget
	named      map[string]*budget
	ofName     map[string][]*budget // that select principals by name
	ofType     map[string][]*budget // by type, not by name
	rest       []*budget            // by neither
	principals map[string]*Principal
	round      uint64 // of matching: each budget once
}

type budget struct {
	*Budget
	parent   *budget
	windows  []*window
	accounts map[string]*account // by principal, or the one of "" that is shared
	round    uint64
}

// account is what one principal, or all together, have of a budget.
type account struct {
	budget    *budget
	principal string
	counters  []counter // one for each limit
	held      Amounts   // by calls under way; its Requests are those calls
	latest    int64     // no use has a later wall time
	keys      uint64    // a sum over the keys that it counts: what was derived from the same keys holds
}

// compile makes the accounts of a config, without a book. The error is for who wrote the config.
func compile(c Config) (*accounts, error) {
	a := &accounts{config: c, named: map[string]*budget{}, ofName: map[string][]*budget{}, ofType: map[string][]*budget{},
		principals: make(map[string]*Principal, len(c.Principals))}
	for i := range c.Principals {
		a.principals[c.Principals[i].Name] = &c.Principals[i]
	}
	windows := map[Window]*window{}
	for i := range c.Budgets {
		b := &budget{Budget: &c.Budgets[i], accounts: map[string]*account{}}
		for _, l := range b.Limits {
			w := windows[l.Window]
			if w == nil {
				var err error
				if w, err = newWindow(l.Window); err != nil {
					return nil, fmt.Errorf("budget %q, limit %q: %w", b.Name, l.Name, err)
				}
				windows[l.Window] = w
			}
			b.windows = append(b.windows, w)
		}
		if a.named[b.Name] != nil {
			return nil, fmt.Errorf("there are two budgets %q", b.Name)
		}
		a.named[b.Name] = b
		a.budgets = append(a.budgets, b)
		a.index(b)
	}
	for _, b := range a.budgets {
		if b.Parent == "" {
			continue
		}
		if b.parent = a.named[b.Parent]; b.parent == nil {
			return nil, fmt.Errorf("budget %q has the parent %q, which is not there", b.Name, b.Parent)
		}
	}
	return a, nil
}

func (a *accounts) index(b *budget) {
	switch {
	case len(b.Names) > 0:
		for _, n := range b.Names {
			a.ofName[n] = append(a.ofName[n], b)
		}
	case len(b.Types) > 0:
		for _, t := range b.Types {
			a.ofType[t] = append(a.ofType[t], b)
		}
	default:
		a.rest = append(a.rest, b)
	}
}

// who somebody is: as the config says now, or as the log knew last.
func (a *accounts) who(b *book, name string) *Principal {
	if p := a.principals[name]; p != nil {
		return p
	}
	if p := b.principals[name]; p != nil {
		return &p.Principal
	}
	return &Principal{Name: name}
}

// match gives the accounts that a call falls under: of each budget that selects it and of all above, each once.
func (a *accounts) match(b *book, name keyName) []*account {
	who := a.who(b, name.principal)
	a.round++
	var out []*account
	for _, of := range [][]*budget{a.ofName[who.Name], a.ofType[who.Type], a.rest} {
		for _, x := range of {
			if x.round == a.round || !x.selects(who) || !x.isFor(name) {
				continue
			}
			for ; x != nil && x.round != a.round; x = x.parent {
				x.round = a.round
				out = append(out, x.account(name.principal))
			}
		}
	}
	return out
}

func (b *budget) selects(p *Principal) bool {
	if !b.All && len(b.Names)+len(b.Types)+len(b.Labels) == 0 {
		return false
	}
	if len(b.Names) > 0 && !slices.Contains(b.Names, p.Name) || len(b.Types) > 0 && !slices.Contains(b.Types, p.Type) {
		return false
	}
	for k, v := range b.Labels {
		if have, ok := p.Labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}

func (b *budget) isFor(n keyName) bool {
	return (len(b.Gates) == 0 || slices.Contains(b.Gates, n.gate)) && (len(b.Routes) == 0 || slices.Contains(b.Routes, n.route)) &&
		(len(b.Models) == 0 || slices.ContainsFunc(b.Models, func(m string) bool {
			prefix, open := strings.CutSuffix(m, "*")
			return m == n.model || open && strings.HasPrefix(n.model, prefix)
		}))
}

func (b *budget) account(principal string) *account {
	if !b.Each {
		principal = ""
	}
	a := b.accounts[principal]
	if a == nil {
		a = &account{budget: b, principal: principal, counters: make([]counter, len(b.Limits))}
		for i, l := range b.Limits {
			a.counters[i] = counter{window: b.windows[i], measure: l.Measure}
		}
		b.accounts[principal] = a
	}
	return a
}

// attach a key that is new, and of which nothing was used.
func (a *accounts) attach(b *book, k *key) {
	k.accounts = a.match(b, k.keyName)
	for _, acc := range k.accounts {
		acc.keys += mix(k.id)
	}
}

// mix makes sums of different sets of ids differ (the finalizer of SplitMix64).
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// forget what was used of a budget.
func (a *accounts) forget(name string) {
	b := a.named[name]
	if b == nil {
		return
	}
	for _, acc := range b.accounts {
		for i := range acc.counters {
			acc.counters[i].used, acc.counters[i].slots = 0, nil
		}
	}
}

// configure holds calls to other accounts. Counters of the same window over the same keys stay; others are derived from the facts.
func (b *book) configure(a *accounts) {
	old := b.accounts
	b.accounts, b.stale = a, false
	for _, k := range b.keys {
		a.attach(b, k)
	}
	fresh := false
	for _, x := range a.budgets {
		if !x.Each {
			x.account("")
		}
		for who, acc := range x.accounts {
			acc.inherit(b, old, who)
			for i := range acc.counters {
				fresh = fresh || acc.counters[i].fresh
			}
		}
	}
	if fresh {
		b.derive()
	}
	for _, h := range b.open {
		for _, acc := range h.key.accounts {
			acc.held.plus(h.Amounts)
		}
	}
}

// inherit what was counted before over the same keys, measure and window.
func (acc *account) inherit(b *book, old *accounts, who string) {
	var before *account
	if old != nil && old.named[acc.budget.Name] != nil {
		before = old.named[acc.budget.Name].accounts[who]
	}
	acc.latest = b.maxWall
	if before != nil && before.keys == acc.keys {
		acc.latest = before.latest
	}
	for i := range acc.counters {
		c := &acc.counters[i]
		c.fresh = c.measure != Concurrency
		if before == nil || before.keys != acc.keys {
			continue
		}
		for _, was := range before.counters {
			if was.measure == c.measure && was.Window == c.Window {
				c.used, c.slots, c.from, c.to, c.fresh = was.used, slices.Clone(was.slots), was.from, was.to, false
			}
		}
	}
}

// derive the counters that are fresh from the facts.
func (b *book) derive() {
	type view struct {
		*window
		reset int64
	}
	for _, k := range b.keys {
		if len(k.series) == 0 {
			continue
		}
		seen := map[view][]portion{}
		for _, acc := range k.accounts {
			for i := range acc.counters {
				c := &acc.counters[i]
				if !c.fresh {
					continue
				}
				v := view{c.window, b.resets[acc.budget.Name]}
				p, ok := seen[v]
				if !ok {
					p = b.profile(k, v.window, v.reset)
					seen[v] = p
				}
				c.take(p)
			}
		}
	}
	for _, x := range b.accounts.budgets {
		for _, acc := range x.accounts {
			for i := range acc.counters {
				if c := &acc.counters[i]; c.fresh {
					c.fresh = false
					c.settle()
					if c.calendar() {
						c.from, c.to = c.period(b.now.wall)
					}
				}
			}
		}
	}
}
