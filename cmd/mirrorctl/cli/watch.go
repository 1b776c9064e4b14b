package cli

import (
	"context"
	"encoding/json"
	"errors"
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

// watch calls fn with every event of one object, first with the object as it is, until fn is done, fails, or ctx ends.
func (c *command) watch(ctx context.Context, t target, fn func(watchEvent) (done bool, err error)) error {
	q := url.Values{"watch": {"true"}, "resourceVersion": {"0"}, "fieldSelector": {"metadata.name=" + t.name}}
	res, err := c.client().do(ctx, request{method: http.MethodGet, path: kindPath(t.kind, "") + "?" + q.Encode()})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	dec := json.NewDecoder(res.Body)
	for {
		var e watchEvent
		if err := dec.Decode(&e); err != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return timeoutError("timed out")
			}
			if ctx.Err() != nil {
				return &exitError{exitFalse, "interrupted"}
			}
			return &exitError{exitNoOperator, fmt.Sprintf("the operator ended the watch: %v", noEOF(err))}
		}
		if e.Type == "BOOKMARK" {
			continue
		}
		if e.Type == "ERROR" {
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
