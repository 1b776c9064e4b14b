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
		if err := c.waitNone(ctx, specs.LabelProcess+"="+t.name); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

// waitNone waits until no instance matches the selector: it lists, then follows the deletions.
func (c *command) waitNone(ctx context.Context, selector string) error {
	path := kindPath(specs.KindOf("Instance"), "") + "?labelSelector=" + url.QueryEscape(selector)
	var list struct {
		Metadata struct{ ResourceVersion string }
		Items    []specs.Instance
	}
	if err := c.client().getJSON(ctx, path, &list); err != nil {
		return err
	}
	left := map[string]bool{}
	for _, i := range list.Items {
		left[i.Name] = true
	}
	if len(left) == 0 {
		return nil
	}
	res, err := c.client().do(ctx, request{method: http.MethodGet, path: path + "&watch=true&resourceVersion=" + list.Metadata.ResourceVersion})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	for dec := json.NewDecoder(res.Body); len(left) > 0; {
		var e watchEvent
		if err := dec.Decode(&e); err != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return timeoutError("timed out with %s still there", count(len(left), "instance"))
			}
			return &exitError{exitNoOperator, fmt.Sprintf("the operator ended the watch: %v", noEOF(err))}
		}
		var i specs.Instance
		if json.Unmarshal(e.Object, &i) != nil {
			continue
		}
		if e.Type == "DELETED" {
			delete(left, i.Name)
		} else if e.Type == "ADDED" {
			left[i.Name] = true
		}
	}
	return nil
}
