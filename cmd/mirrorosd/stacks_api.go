package main

import (
	"context"
	"errors"
	"time"

	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/specs"
)

// stacks gives the applier to the API in its own words.
type stacks struct{ r *stack.Reconciler }

func (s stacks) Plan(ctx context.Context, name string, files map[string]string) (*plan.Plan, []specs.Fault, error) {
	return faultsApart(s.r.Plan(ctx, name, files))
}

func (s stacks) Apply(ctx context.Context, name, digest string, prune bool, by string, confirm time.Duration) (revision, message string, err error) {
	a, err := s.r.Apply(ctx, name, stack.ApplyOptions{Plan: digest, Prune: prune, By: by, ConfirmWithin: confirm})
	return a.Revision, a.Message, err
}

func (s stacks) Revisions(name string) (specs.RevisionList, error) { return s.r.Revisions(name) }

func (s stacks) Manifests(name, revision string) (specs.RevisionManifests, []specs.Fault, error) {
	return faultsApart(s.r.Manifests(name, revision))
}

func (s stacks) Differences(name, from, to string) (specs.RevisionDiff, []specs.Fault, error) {
	return faultsApart(s.r.Differences(name, from, to))
}

func (s stacks) Undo(ctx context.Context, name string, a specs.UndoRequest) (specs.Undone, []specs.Fault, error) {
	return faultsApart(s.r.Undo(ctx, name, a))
}

func (s stacks) Retry(ctx context.Context, name, by string) (revision, message string, err error) {
	a, err := s.r.Retry(ctx, name, by)
	return a.Revision, a.Message, err
}

func (s stacks) Steer(ctx context.Context, name string, action specs.RolloutAction, by string) (string, []specs.Fault, error) {
	if action == specs.RolloutConfirm {
		return faultsApart(s.r.Confirm(ctx, name, by))
	}
	return faultsApart(s.r.Steer(ctx, name, action, by))
}

// faultsApart parts the faults of manifests from other errors.
func faultsApart[T any](answer T, err error) (T, []specs.Fault, error) {
	var faults *stack.FaultsError
	if errors.As(err, &faults) {
		return answer, faults.Faults, nil
	}
	return answer, nil, err
}
