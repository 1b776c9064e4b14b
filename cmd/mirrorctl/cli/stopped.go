package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"mirroros.dev/mirroros/specs"
)

// waitStopped waits until no instance of the processes among targets is left.
func (c *command) waitStopped(ctx context.Context, targets []target, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for _, t := range targets {
		if t.kind.Kind != "Process" {
			continue
		}
		left := 0
		err := c.followInstances(ctx, specs.LabelProcess+"="+t.name, func(all map[string]*specs.Instance) bool {
			left = len(all)
			return left == 0
		})
		var e *exitError
		if errors.As(err, &e) && e.code == exitTimeout {
			return timeoutError("%s: timed out with %s still there", t, count(left, "instance"))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

// followInstances calls fn with all instances that match the selector (empty: all), at first and after every change, until it is done or
// ctx ends.
func (c *command) followInstances(ctx context.Context, selector string, fn func(map[string]*specs.Instance) (done bool)) error {
	return c.follow(ctx, followingInstances(selector, fn))
}

func followingInstances(selector string, fn func(map[string]*specs.Instance) (done bool)) following {
	all := map[string]*specs.Instance{}
	listed := func(list json.RawMessage) (bool, error) {
		var l struct{ Items []specs.Instance }
		if err := json.Unmarshal(list, &l); err != nil {
			return false, fmt.Errorf("cannot read a list: %v", err)
		}
		clear(all)
		for i := range l.Items {
			all[l.Items[i].Name] = &l.Items[i]
		}
		return fn(all), nil
	}
	event := func(e watchEvent) (bool, error) {
		i := &specs.Instance{}
		if err := json.Unmarshal(e.Object, i); err != nil {
			return false, fmt.Errorf("cannot read a watch event: %v", err)
		}
		if all[i.Name] = i; e.Type == "DELETED" {
			delete(all, i.Name)
		}
		return fn(all), nil
	}
	return following{path: kindPath(specs.KindOf("Instance"), "") + "?labelSelector=" + url.QueryEscape(selector), listed: listed, event: event}
}
