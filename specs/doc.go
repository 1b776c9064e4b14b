// Package specs is the API of the operator: the kinds that an owner declares and the operator reports, with their defaults,
// validation, schema, and loading from YAML with the place of every fault. This page is the object model.
//
// # Kinds
//
//	Stack     a directory of manifests: where they are, whether edits act by themselves, what may be removed
//	Process   a local program: command, copies, ports, probes, dependencies, how it is restarted and stopped
//	Instance  one running copy of a Process; only the operator writes it
//	Gate      a listener of the data plane: where it is reached, how callers are known, what it takes and records
//	Route     a stable name on a Gate (a model, a path, hosts) and the backends behind it
//	GateRule  one rule: who may do what, or what is looked for in what they say
//	Principal an identity (agent, human, process) that tokens are issued to
//	TokenBudget what principals may spend through the gates: tokens, money, requests, calls at once
//	Check     a look at whether a Process or Route does what it is there for, on a schedule or when asked
//	Rollout   one change set of a Stack on its way, wave by wave; only the operator writes it
//	Event     what happened to an object, in the shape of core/v1; only the operator writes it
//	Lease     who leads, in the shape of coordination.k8s.io/v1; for programs that elect a leader through the API, never in a manifest
//
// All are objects as Kubernetes has them: apiVersion, kind, metadata, spec (what is declared) and status (what was observed), in the
// group mirroros.dev, version v1alpha1. Events and Leases are in the namespace default, as clients expect; everything else has no namespace. The
// table [Kinds] is all that the programs know of a kind; there is no other list of kinds.
//
// # Who owns what
//
// The nearest Stack manifest up the tree owns a file; a directory without one belongs to the Stack default. An object of a Stack has the
// label [LabelStack]. The fields that its file sets are the file's ([Document.Declared], [DeclaredConflicts]): other writers are refused.
// Fields that it does not set are free. An object made through the API belongs to no Stack and is never pruned. A Process owns its
// Instances, which have its name in [LabelProcess]. References are by name, and never make an owner ([References]). What the operator makes
// for itself has [LabelSystem]; the Process [SystemProcess], which runs the gates, is such.
//
// # Who may pass
//
// A Route belongs to a Gate, its backends are Processes or URLs, and a GateRule names gates, routes and principals; none given is all, but
// an Allow must name its principals. Beside those that are declared there are system/anonymous, and process/NAME for each Process that names
// no principal. A condition (when) is CEL over the variables of specs/expr. How far a route may reach is its Stack's locality: Sealed is
// checked when the set is admitted, LocalFirst when a request is decided. The gate that a process is told in $(MIRROROS_GATE_NAME) is a
// reference of it, as dependsOn is.
//
// # What it may cost
//
// A TokenBudget selects principals as a GateRule does, and calls by its scope. Every budget that a call falls under holds, and with each the
// budgets above it (parent). A limit counts one measure in one window. What a backend takes is its pricing, or that of its Route; a budget of
// cost may be over no backend that has none, and a tree of budgets has one currency ([BudgetMisfits]; that, [Fits],
// [Rivals] and [FixedPorts] admission and mirrorctl share).
//
// # What is watched
//
// A Check with a schedule makes the condition Healthy on its target, and of a prompt Aligned. The target's own controller writes it, from the statuses of the checks
// ([CheckedConditions]), so that a status has one writer, and a condition goes with its last check.
// The operator asks prompts as system/check. Only it is that: controllers/gate/check.go says how it is let pass.
//
// # Template, generation, revision
//
// The template of a Process is what its instances are made from: version, command, args, workingDir, env, envFrom, ports, user, group,
// principal and proxy; of a port its name and number, for servicePort and appProtocol are what the gate holds before it. [TemplateHash] names it, and an instance is named <process>-<hash>-<ordinal>. A change of the template replaces instances; a change of
// anything else touches none. metadata.generation counts changes of the spec ([SpecEqual]), and status.observedGeneration says which one
// a status speaks of. A revision is one content of a Stack, named by its digest and, once it was in force, by a number. The spec in the store
// is what is in force; a revision is the target. Both are told apart in a Stack's status: live is in force, disk is what the files hold, lastFailed is what was refused.
//
// # Conditions, reasons, events
//
// Every status has conditions: Ready (it is as declared), Reconciling (something is under way), Stalled (somebody must act), and what else
// is to be said. A reason is a constant beside its kind (process_reasons.go, stack_reasons.go, rollout_reasons.go, gate_reasons.go, tokenbudget_reasons.go, check_reasons.go), and the same word in a condition, in an
// instance's state and in an event. What is not known is Unknown, never assumed to be well.
//
// # From text to object
//
// [Load] reads a file: it cuts it into documents, walks their nodes along the Go type, and notes every fault with line, column and field.
// Then [Default] fills in what is left out, and [Validate] looks at one object by itself; what needs other objects is looked at in
// reconcile/admit. String fields take text only, unknown fields are faults, and faults come all at once. [Decode] does the same for JSON,
// without places. [Marshal] writes an object as the same bytes each time. [Schema], [JSONSchema] and [Explain] come from the Go
// types and their comments, so the comment over a field is its documentation everywhere.
//
// # Adding a kind
//
//   - <kind>_types.go: the types with a comment on each field, Spec and Status, and constants for the values of enumerations.
//   - <kind>_default.go and <kind>_validate.go: the methods Default, Validate and References of the type, as far as it needs them;
//     <kind>_reasons.go: its conditions and reasons.
//   - a row in kinds.go with its columns, and DeepCopyObject in deepcopy.go; its name leaves the list of later kinds in hints.go.
//   - manifests/<kind>.yaml: a runnable example with comments.
//
// The tests go through [Kinds] and name what is missing.
package specs
