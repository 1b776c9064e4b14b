package specs

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is everything that the programs need to know of a kind without knowing the kind.
type Kind struct {
	// Kind and its names in the API and on the command line.
	Kind, Plural, Singular string
	ShortNames             []string
	Categories             []string
	// Group is empty for core/v1 Events.
	Group, Version string
	Namespaced     bool
	// OperatorOnly kinds are written by the operator; a manifest of one, or a write through the API, is refused with Instead.
	// APIOnly kinds are written through the API; a manifest of one is refused with Instead.
	OperatorOnly, APIOnly bool
	Instead               string
	// New makes an empty object.
	New func() Object
	// Columns of a table.
	Columns []Column
	// FieldSelectors beside metadata.name and metadata.namespace, as dotted JSON paths.
	FieldSelectors []string
}

// Column is one column of a table, as kubectl prints it.
type Column struct {
	Name string
	// Type is string, integer, number, boolean or date.
	Type string
	// Wide columns show with -o wide only.
	Wide        bool
	Description string
	// Value of the column in an object of the kind: nil, a string, an int64 or a bool. A date is RFC 3339.
	Value func(Object) any
}

// Declarable tells whether a manifest may declare objects of the kind.
func (k *Kind) Declarable() bool { return !k.OperatorOnly && !k.APIOnly }

// GVK of the kind.
func (k *Kind) GVK() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.Group, Version: k.Version, Kind: k.Kind}
}

// APIVersion of the kind, as its objects have it. All of them share the string.
func (k *Kind) APIVersion() string {
	switch {
	case k.Group == "":
		return k.Version
	case k.Group == GroupName && k.Version == Version:
		return GroupName + "/" + Version
	}
	return k.Group + "/" + k.Version
}

// SetType writes apiVersion and kind into an object of the kind.
func (k *Kind) SetType(o Object) {
	if t, ok := o.GetObjectKind().(*metav1.TypeMeta); ok {
		t.APIVersion, t.Kind = k.APIVersion(), k.Kind
		return
	}
	o.GetObjectKind().SetGroupVersionKind(k.GVK())
}

// Kinds lists every kind, in the order that help texts and status show them.
var Kinds = []*Kind{
	{Kind: "Stack", Plural: "stacks", Singular: "stack", ShortNames: []string{"st"}, Categories: []string{"all"},
		Group: GroupName, Version: Version, New: func() Object { return &Stack{} }, Columns: stackColumns},
	{Kind: "Process", Plural: "processes", Singular: "process", ShortNames: []string{"proc"}, Categories: []string{"all"},
		Group: GroupName, Version: Version, New: func() Object { return &Process{} }, Columns: processColumns},
	{Kind: "Instance", Plural: "instances", Singular: "instance", ShortNames: []string{"inst"}, Categories: []string{"all"},
		Group: GroupName, Version: Version, OperatorOnly: true, Instead: "declare a Process; its instances follow", New: func() Object { return &Instance{} },
		Columns:        instanceColumns,
		FieldSelectors: []string{"spec.process"}},
	{Kind: "Gate", Plural: "gates", Singular: "gate", ShortNames: []string{"gt"}, Categories: []string{"all"},
		Group: GroupName, Version: Version, New: func() Object { return &Gate{} }, Columns: gateColumns},
	{Kind: "Route", Plural: "routes", Singular: "route", ShortNames: []string{"rt"}, Categories: []string{"all"},
		Group: GroupName, Version: Version, New: func() Object { return &Route{} }, Columns: routeColumns},
	{Kind: "GateRule", Plural: "gaterules", Singular: "gaterule", ShortNames: []string{"gr"}, Categories: []string{"all"},
		Group: GroupName, Version: Version, New: func() Object { return &GateRule{} }, Columns: gateRuleColumns},
	{Kind: "Principal", Plural: "principals", Singular: "principal", ShortNames: []string{"pr"}, Categories: []string{"all"},
		Group: GroupName, Version: Version, New: func() Object { return &Principal{} }, Columns: principalColumns},
	{Kind: "TokenBudget", Plural: "tokenbudgets", Singular: "tokenbudget", ShortNames: []string{"tb", "budget", "budgets"}, Categories: []string{"all"},
		Group: GroupName, Version: Version, New: func() Object { return &TokenBudget{} }, Columns: tokenBudgetColumns},
	{Kind: "Check", Plural: "checks", Singular: "check", ShortNames: []string{"chk"}, Categories: []string{"all"},
		Group: GroupName, Version: Version, New: func() Object { return &Check{} }, Columns: checkColumns},
	{Kind: "Rollout", Plural: "rollouts", Singular: "rollout", ShortNames: []string{"ro"}, Categories: []string{"all"},
		Group: GroupName, Version: Version, OperatorOnly: true, Instead: "put strategy in the Process", New: func() Object { return &Rollout{} },
		Columns: rolloutColumns, FieldSelectors: []string{"spec.stack"}},
	{Kind: "Event", Plural: "events", Singular: "event", ShortNames: []string{"ev"}, Version: "v1", Namespaced: true, OperatorOnly: true,
		Instead: "events are told by the operator", New: func() Object { return &Event{} },
		Columns: eventColumns,
		FieldSelectors: []string{"involvedObject.kind", "involvedObject.name", "involvedObject.namespace", "involvedObject.uid",
			"involvedObject.apiVersion", "reason", "type", "reportingComponent", "source"}},
	{Kind: "Lease", Plural: "leases", Singular: "lease", Group: "coordination.k8s.io", Version: "v1", Namespaced: true, APIOnly: true,
		Instead: "leases are written by those who elect a leader, through the API", New: func() Object { return &Lease{} }, Columns: leaseColumns},
}

// KindOf finds a kind by its name as manifests write it; nil when there is none.
func KindOf(kind string) *Kind {
	for _, k := range Kinds {
		if k.Kind == kind {
			return k
		}
	}
	return nil
}
