package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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
	var list struct {
		Metadata struct{ ResourceVersion string }
		Items    []json.RawMessage
	}
	if err := c.client().getJSON(ctx, path, &list); err != nil {
		return err
	}
	first := watchEvent{Type: "DELETED", Object: []byte("{}")}
	if len(list.Items) > 0 {
		first = watchEvent{Type: "ADDED", Object: list.Items[0]}
	}
	if done, err := fn(first); done || err != nil {
		return err
	}
	res, err := c.client().do(ctx, request{method: http.MethodGet, path: path + "&watch=true&resourceVersion=" + list.Metadata.ResourceVersion})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	for dec := json.NewDecoder(res.Body); ; {
		var e watchEvent
		if err := dec.Decode(&e); err != nil {
			return watchEnded(ctx, err)
		}
		switch e.Type {
		case "BOOKMARK":
			continue
		case "ERROR":
			return fmt.Errorf("the watch of %s fell behind; run it again", t)
		}
		if done, err := fn(e); done || err != nil {
			return err
		}
	}
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
