package main

import (
	"context"
	"errors"
	"time"

	"mirroros.dev/mirroros/controllers/check"
	"mirroros.dev/mirroros/controllers/process"
	"mirroros.dev/mirroros/controllers/process/probe"
	"mirroros.dev/mirroros/specs"
)

// ask has a check ask the copies of a process.
func (op *operator) ask(ctx context.Context, name, revision string, h *specs.Handler, timeout time.Duration) ([]check.Answer, error) {
	asked, err := op.processes.Ask(ctx, name, revision, h, timeout)
	if errors.Is(err, process.ErrStopped) {
		return nil, check.ErrStopped
	}
	out := make([]check.Answer, len(asked))
	for i, a := range asked {
		out[i] = check.Answer{Instance: a.Instance, Outcome: outcomes[a.Status], Message: a.Message}
	}
	return out, err
}

var outcomes = map[probe.Status]specs.CheckOutcome{probe.Success: specs.OutcomeSuccess, probe.Failure: specs.OutcomeFailure, probe.Unknown: specs.OutcomeUnknown}
