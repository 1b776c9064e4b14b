package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// watchEvent is one line of a watch.
type watchEvent struct {
	Type   string
	Object json.RawMessage
}

// watch calls fn with the object as it is, and then with every event of it, until fn is done, fails, or ctx ends. An object that is not
// there is an event of its deletion.
func (c *command) watch(ctx context.Context, t target, fn func(watchEvent) (done bool, err error)) error {
	path := kindPath(t.kind, "") + "?" + url.Values{"fieldSelector": {"metadata.name=" + t.name}}.Encode()
	return c.follow(ctx, following{path: path, event: fn, listed: func(list json.RawMessage) (bool, error) {
		var l struct{ Items []json.RawMessage }
		if err := json.Unmarshal(list, &l); err != nil {
			return false, fmt.Errorf("cannot read a list: %v", err)
		}
		if len(l.Items) == 0 {
			return fn(watchEvent{Type: "DELETED", Object: []byte("{}")})
		}
		return fn(watchEvent{Type: "ADDED", Object: l.Items[0]})
	}})
}

// conditioned is an object of which only the conditions matter.
type conditioned struct {
	metav1.ObjectMeta `json:"metadata"`
	Status            struct {
		ObservedGeneration int64              `json:"observedGeneration"`
		Conditions         []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

// condition finds one by type, in any case of letters; nil when there is none, or when it speaks of an older generation.
func (o *conditioned) condition(name string) *metav1.Condition {
	for i := range o.Status.Conditions {
		c := &o.Status.Conditions[i]
		if equalFold(c.Type, name) && (o.Generation == 0 || c.ObservedGeneration == 0 || c.ObservedGeneration >= o.Generation) {
			return c
		}
	}
	return nil
}

// waitReady waits until every target has the condition Ready.
func (c *command) waitReady(ctx context.Context, targets []target, timeout time.Duration) error {
	return c.waitFor(ctx, targets, "condition=Ready", timeout)
}
