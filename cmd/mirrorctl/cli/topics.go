package cli

import "github.com/spf13/cobra"

// newTopics are help pages that belong to no verb.
func newTopics() []*cobra.Command {
	return []*cobra.Command{{
		Use:   "stopping",
		Short: "Which word stops what",
		Long: `Which word stops what:

  delete process/NAME     the process, for good, when it was made through the API; for a stack's, remove its document
  suspend process/NAME    the process, until "resume"; --for resumes it by itself, --reason says why
  suspend stack/NAME      following the stack's files; what runs goes on and is healed, edits wait
  rollout pause           the waves of a change that is on its way; "rollout abort" goes back to the revision before
  restart process/NAME    each instance, which starts again at once
  replicas: 0             the process, as its manifest says
  down (or shutdown)      every workload, dependents first, and then the operator
  Ctrl-C or SIGTERM       the operator only: the workloads run on, and are adopted when it comes back
  systemctl stop          the same, with the unit that "mirrorosd install" writes
  mirrorosd --stop-on-exit, then Ctrl-C
                          all, as down does

A process is stopped by preStop, then stopSignal (SIGTERM) to its group, then after terminationGracePeriodSeconds (30) SIGKILL to all of it.
Nothing else stops a workload: not an edit of another file, not a manifest with a fault, not a crash of the operator.`,
	}}
}
