package apiserver

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"mirroros.dev/mirroros/specs"
)

// namespace is a core/v1 Namespace. There is one, default, for the Events; clients ask for it before anything else.
type namespace struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Status            struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

// DeepCopyObject copies the namespace.
func (n *namespace) DeepCopyObject() runtime.Object {
	c := *n
	c.ObjectMeta = *n.ObjectMeta.DeepCopy()
	return &c
}

func namespaces() *resource {
	k := &specs.Kind{Kind: "Namespace", Plural: "namespaces", Singular: "namespace", ShortNames: []string{"ns"}, Version: "v1", OperatorOnly: true,
		Instead: "kinds here have no namespaces", New: func() specs.Object { return &namespace{} }}
	k.Columns = []specs.Column{
		{Name: "Name", Type: "string", Description: "Name of the namespace.", Value: func(o specs.Object) any { return o.GetName() }},
		{Name: "Status", Type: "string", Description: "Always Active.", Value: func(o specs.Object) any { return o.(*namespace).Status.Phase }},
	}
	n := &namespace{}
	n.SetGroupVersionKind(k.GVK())
	n.Name, n.UID, n.ResourceVersion = "default", "00000000-0000-4000-8000-000000000001", "1"
	n.Labels = map[string]string{"kubernetes.io/metadata.name": "default"}
	n.Status.Phase = "Active"
	return &resource{kind: k, version: "v1", static: []specs.Object{n}}
}
