package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"mirroros.dev/mirroros/specs"
)

// patchObject merge-patches one object and decodes the answer into it; into may be nil.
func (c *command) patchObject(ctx context.Context, t target, patch object, into any) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("cannot encode the change: %v", err)
	}
	r := request{method: http.MethodPatch, path: kindPath(t.kind, t.name), contentType: "application/merge-patch+json", body: body}
	return c.client().callJSON(ctx, r, into)
}

// annotate is a merge patch that sets annotations; nil removes one.
func annotate(values map[string]any) object {
	return object{"metadata": object{"annotations": values}}
}

// selectTargets are the objects named, or those of a kind with these labels.
func (c *command) selectTargets(ctx context.Context, args []string, kind, selector string) ([]target, error) {
	if (len(args) == 0) == (selector == "") {
		return nil, usageError("say which: names, or -l SELECTOR")
	}
	if selector == "" {
		targets, _, err := parseTargets(args, kind)
		return targets, err
	}
	k := specs.KindOf("Process")
	list, err := listOf[specs.Process](ctx, c, selector)
	if err != nil {
		return nil, err
	}
	var out []target
	for _, p := range list {
		out = append(out, target{k, p.Name})
	}
	if len(out) == 0 {
		return nil, &exitError{exitFalse, "no process has labels " + selector}
	}
	return out, nil
}
