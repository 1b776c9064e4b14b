package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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
	path := kindPath(specs.KindOf("Instance"), "") + "?labelSelector=" + url.QueryEscape(selector)
	var list struct {
		Metadata struct{ ResourceVersion string }
		Items    []specs.Instance
	}
	if err := c.client().getJSON(ctx, path, &list); err != nil {
		return err
	}
	all := map[string]*specs.Instance{}
	for i := range list.Items {
		all[list.Items[i].Name] = &list.Items[i]
	}
	if fn(all) {
		return nil
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
		i := &specs.Instance{}
		if e.Type == "BOOKMARK" || json.Unmarshal(e.Object, i) != nil {
			continue
		}
		switch e.Type {
		case "DELETED":
			delete(all, i.Name)
		case "ERROR":
			return errors.New("the watch of instances fell behind; run it again")
		default:
			all[i.Name] = i
		}
		if fn(all) {
			return nil
		}
	}
}

// watchEnded says why a watch ended before what it waited for.
func watchEnded(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return timeoutError("timed out")
	case ctx.Err() != nil:
		return &exitError{exitFalse, "interrupted"}
	}
	return &exitError{exitNoOperator, fmt.Sprintf("the operator ended the watch: %v", noEOF(err))}
}
