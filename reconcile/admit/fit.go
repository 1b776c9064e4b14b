package admit

import (
	"fmt"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// remoteField is the first field of a route that lets requests leave the host; empty when none does.
func remoteField(o specs.Object) string {
	r, ok := o.(*specs.Route)
	if !ok {
		return ""
	}
	if r.Spec.Remote {
		return "spec.remote"
	}
	for _, l := range []struct {
		field    string
		backends []specs.RouteBackend
	}{{"spec.backends", r.Spec.Backends}, {"spec.fallbacks", r.Spec.Fallbacks}} {
		for i, b := range l.backends {
			if b.Remote {
				return fmt.Sprintf("%s[%d].remote", l.field, i)
			}
		}
	}
	return ""
}

// object is what a key stands for under the set, in another stack's set, or in force; nil when there is none.
func (c *check) object(kind, name string) specs.Object {
	k := store.Key{Kind: kind, Name: name}
	e := c.set.Get(k)
	for _, s := range c.w.Others {
		if e == nil {
			e = s.Get(k)
		}
	}
	if e != nil {
		if d := e.Document(); d != nil && d.Object != nil {
			return d.Object
		}
	}
	if o, ok := c.w.Get(k); ok && e == nil {
		return o
	}
	return nil
}

// fit checks a document against what it refers to.
func (c *check) fit(e *Entry) {
	d := e.Document()
	if d == nil || d.Object == nil {
		return
	}
	for _, m := range specs.Fits(d.Object, c.object) {
		c.add(e.fault(m.Sites[0].Field, "%s", m.Message))
	}
}

// route checks a route against every other one.
func (c *check) route(e *Entry) {
	d := e.Document()
	if d == nil {
		return
	}
	r, ok := d.Object.(*specs.Route)
	if !ok {
		return
	}
	claims := func(other specs.Object, holder string) bool {
		o, ok := other.(*specs.Route)
		if !ok {
			return false
		}
		field, text := specs.Rivals(r, o)
		if field != "" {
			c.add(e.fault(field, text, holder))
		}
		return field != ""
	}
	for _, other := range c.routes(c.set) {
		if other.Key() != e.Key() && c.second(e, other) && claims(other.Document().Object, words(other.Key())+", in "+other.Place()) {
			return
		}
	}
	for _, name := range sortedNames(c.w.Others) {
		for _, other := range c.routes(c.w.Others[name]) {
			if other.Key() != e.Key() && c.w.newcomer(name, e.Key(), other.Key()) &&
				claims(other.Document().Object, fmt.Sprintf("%s of stack/%s, in %s", words(other.Key()), name, other.Place())) {
				return
			}
		}
	}
	for _, o := range c.w.List("Route") {
		if o.GetLabels()[specs.LabelStack] == "" && c.set.Get(store.Key{Kind: "Route", Name: o.GetName()}) == nil &&
			claims(o, "route/"+o.GetName()+", which was made through the API") {
			return
		}
	}
}

// routes of a set that can be parsed, in the order of their names. They are looked for once.
func (c *check) routes(s *Set) []*Entry {
	if list, ok := c.routesOf[s]; ok {
		return list
	}
	var list []*Entry
	if s != nil && s.kinds["Route"] > 0 {
		for _, k := range sortedKeys(s.byKey) {
			if e := s.byKey[k]; k.Kind == "Route" {
				if d := e.Document(); d != nil && d.Object != nil {
					list = append(list, e)
				}
			}
		}
	}
	if c.routesOf == nil {
		c.routesOf = map[*Set][]*Entry{}
	}
	c.routesOf[s] = list
	return list
}

// sealed tells of every route that leaves the host, in a stack that must not.
func (c *check) sealed() {
	if c.w.Locality != specs.LocalitySealed || c.set.kinds["Route"] == 0 {
		return
	}
	for _, e := range c.set.byKey {
		if e.Remote != "" && !e.Faulty {
			c.add(e.fault(e.Remote, "stack/%s has locality Sealed, so no route of it leaves the host: take this out, or write locality: LocalFirst", c.w.Stack))
		}
	}
}
