package admit

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

const memoryField = "spec.resources.requests.memory"

// memoryOf is what the instances of a process need, all that run at once: a RollingUpdate has one more than declared.
func memoryOf(o specs.Object) int64 {
	p, ok := o.(*specs.Process)
	if !ok || p.Spec.Suspend || p.Spec.Resources == nil || p.Spec.Resources.Requests == nil || p.Spec.Resources.Requests.Memory == nil {
		return 0
	}
	copies := int64(1)
	if p.Spec.Replicas != nil {
		copies = int64(*p.Spec.Replicas)
	}
	if copies > 0 && p.Spec.Strategy != nil && p.Spec.Strategy.Type == specs.StrategyRollingUpdate {
		copies++
	}
	return copies * p.Spec.Resources.Requests.Memory.Value()
}

// needed is the memory that everything needs together, but for what set and object stand for: the sets of other stacks, and what was made
// through the API.
func (w World) needed(but store.Key, set *Set) (sum int64) {
	for _, s := range w.Others {
		sum += s.memory()
	}
	for _, o := range w.List("Process") {
		k := store.Key{Kind: "Process", Name: o.GetName()}
		if o.GetLabels()[specs.LabelStack] == "" && k != but && set.Get(k) == nil {
			sum += memoryOf(o)
		}
	}
	return sum
}

func (s *Set) memory() (sum int64) {
	if s == nil {
		return 0
	}
	for _, e := range s.byKey {
		sum += e.Memory
	}
	return sum
}

// memory refuses changed processes that need more than there is, with all others.
func (c *check) memory(changed []store.Key) {
	if c.w.Memory == 0 {
		return
	}
	var asks []*Entry
	for _, k := range changed {
		if e := c.set.Get(k); e.Memory > c.base.Get(k).memory() { // who needs less than before is not the one
			asks = append(asks, e)
		}
	}
	if len(asks) == 0 {
		return
	}
	if all := c.set.memory() + c.w.needed(store.Key{}, c.set); all > c.w.Memory {
		for _, e := range asks {
			c.add(e.fault(memoryField, "%s", tooMuch(e.Memory, all, c.w.Memory)))
		}
	}
}

func (e *Entry) memory() int64 {
	if e == nil {
		return 0
	}
	return e.Memory
}

// memory does the same for an object through the API; was is the one before, or nil.
func (w World) memory(o, was specs.Object) field.ErrorList {
	need := memoryOf(o)
	if w.Memory == 0 || need == 0 || was != nil && need <= memoryOf(was) {
		return nil
	}
	if all := need + w.needed(store.Key{Kind: "Process", Name: o.GetName()}, nil); all > w.Memory {
		return field.ErrorList{field.Forbidden(field.NewPath(memoryField), tooMuch(need, all, w.Memory))}
	}
	return nil
}

func tooMuch(need, all, have int64) string {
	return fmt.Sprintf("it needs %s, all that is to run at once %s, and this host has %s: lower a request or replicas, or suspend a process", mib(need), mib(all), mib(have))
}

// mib is a size in whole Mi.
func mib(n int64) string { return resource.NewQuantity(n>>20<<20, resource.BinarySI).String() }
