package gate

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// decision is what to do and what to say. What is nil is as it should be.
type decision struct {
	// Sockets that ought to be, by name.
	Sockets map[string]string
	// Config, Endpoints, Identities and Ledger to write, with their new numbers.
	Config     *proxy.Config
	Endpoints  *proxy.Endpoints
	Identities *proxy.Identities
	Ledger     *ledger.Config
	// Start and Stop the process mirrorgate.
	Start, Stop bool
	// Ended are instances whose tokens are to go, Rotate those that are due another, Expiring tokens of which to tell that they end soon.
	Ended, Expired []string
	Rotate         []token
	Expiring       []token

	Gates      []specs.GateStatus
	Routes     []specs.RouteStatus
	Rules      []specs.GateRuleStatus
	Principals []specs.PrincipalStatus
	Result     reconcile.Result
}

// acts tells whether something is to be done before the statuses are true.
func (d *decision) acts() bool {
	return d.Sockets != nil || d.files() || d.Start || d.Stop || len(d.Ended) > 0 || len(d.Rotate) > 0 || len(d.Expired) > 0
}

// files tells whether one is to be written that the gates read.
func (d *decision) files() bool {
	return d.Config != nil || d.Endpoints != nil || d.Identities != nil || d.Ledger != nil
}

// decide is the whole policy: pure.
func decide(o *observed) decision {
	var d decision
	d.tokens(o)
	d.sockets(o)
	if o.active() || o.System != nil || o.Config.Number > 0 {
		d.documents(o)
	}
	d.Start = o.active() && !o.runsAsWanted()
	d.Stop = !o.active() && o.System != nil
	inForce := o.inForce()
	for _, g := range o.Gates {
		d.Gates = append(d.Gates, o.gate(g, inForce))
	}
	for _, r := range o.Routes {
		d.Routes = append(d.Routes, o.route(r, inForce))
	}
	for _, r := range o.Rules {
		d.Rules = append(d.Rules, o.rule(r, inForce))
		if e := r.Spec.Expires; !e.IsZero() {
			d.at(o, e.Time)
		}
	}
	for _, p := range o.Principals {
		d.Principals = append(d.Principals, o.principal(p))
	}
	return d
}

// socketPatience is how long to wait until a socket that could not be made is tried again: nobody tells when an address is free.
const socketPatience = 5 * time.Second

// sockets decides whether to ask for the listening sockets: when others are wanted, and now and then while one could not be made.
func (d *decision) sockets(o *observed) {
	wanted, again := o.wanted(), o.Ensured.Add(socketPatience)
	switch {
	case !reflect.DeepEqual(wanted, o.Wanted), len(o.Faults) > 0 && !o.Now.Before(again):
		d.Sockets = wanted
	case len(o.Faults) > 0:
		d.at(o, again)
	}
}

// documents decides which of the four files are to be written anew. A number changes only with the content.
func (d *decision) documents(o *observed) {
	c := o.config()
	if c.Number = o.Config.Number; !same(c, o.Config) || c.Number == 0 {
		c.Number++
		d.Config = &c
	}
	e := o.endpoints()
	if e.Number = o.Endpoints.Number; !same(e, o.Endpoints) || e.Number == 0 {
		e.Number++
		d.Endpoints = &e
	}
	if len(o.Inherited) > 0 {
		d.at(o, o.Settled)
	}
	i := o.identities()
	if i.Number = o.Identities.Number; !same(i, o.Identities) || i.Number == 0 {
		i.Number++
		d.Identities = &i
	}
	l := o.ledger(i.Principals)
	if l.Number = o.Ledger.Number; !same(l, o.Ledger) || l.Number == 0 {
		l.Number++
		d.Ledger = &l
	}
}

// expiringAfter is the part of a token's life after which its end is told.
const expiringAfter = 0.9

// tokens decides what is due of them.
func (d *decision) tokens(o *observed) {
	live := o.Live
	ended, rotate := map[string]bool{}, map[string]token{}
	for _, t := range o.Tokens {
		switch {
		case !o.Now.Before(t.Expires):
			d.Expired = append(d.Expired, t.ID)
			continue
		case t.Instance == "":
			soon := t.Created.Add(time.Duration(expiringAfter * float64(t.Expires.Sub(t.Created))))
			if d.at(o, t.Expires); t.Warned {
			} else if !o.Now.Before(soon) {
				d.Expiring = append(d.Expiring, t)
			} else {
				d.at(o, soon)
			}
			continue
		case !live[t.Instance] && (t.ran || !o.Now.Before(t.Created.Add(startPatience))):
			ended[t.Instance] = true
			continue
		case !live[t.Instance]:
			d.at(o, t.Created.Add(startPatience))
		}
		if newest := rotate[t.Instance]; t.File && newest.Created.Before(t.Created) {
			rotate[t.Instance] = t
		}
		d.at(o, t.Expires)
	}
	d.Ended = sortedNames(ended)
	for _, name := range sortedNames(rotate) {
		t := rotate[name]
		if due := t.Created.Add(rotateEvery); ended[name] || !live[name] {
			continue
		} else if o.Now.Before(due) {
			d.at(o, due)
		} else {
			d.Rotate = append(d.Rotate, t)
		}
	}
}

// at asks to look again at a time; the earliest wins.
func (d *decision) at(o *observed, t time.Time) {
	left := t.Sub(o.Now)
	if left <= 0 {
		return
	}
	if r := &d.Result; r.RequeueAfter == 0 || left < r.RequeueAfter {
		r.RequeueAfter = left
	}
}

// runsAsWanted tells whether the process mirrorgate is declared as this operator would.
func (o *observed) runsAsWanted() bool {
	return o.System != nil && o.System.DeletionTimestamp.IsZero() && specs.SpecEqual(o.System, o.SystemWanted) && o.System.Labels[specs.LabelSystem] == "true"
}

// same tells whether two documents say the same. One that was read from a file may have an empty list where a new one has none.
func same[T any](a, b T) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
