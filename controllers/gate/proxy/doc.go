// Package proxy is the data plane: it takes requests on listeners, decides each under one immutable configuration, forwards what is allowed
// and records all of it. It knows neither the kinds of specs nor the operator: it is given a Config, Endpoints and Identities.
//
// A request passes numbered stages, each with reason codes of its own; exactly one outcome: Allowed, Rewritten, Refused, Failed.
//
//	1 transport             2 authenticate        3 parse, match the route, put in caps   4 rules        5 request filters
//	6 choose backends, reserve                    7 record the decision                   8 forward, streamed
//	9 response filters     10 settle             11 record the outcome
//
// An error in a stage is a refusal: the gate fails closed.
//
// # What a call takes
//
// Where there is a [Ledger], stage 6 reserves what the call may take at most: a token for each byte of its input, with something for what the backend's
// own template puts around it, and for each answer the output of the cap that is sent. Under a budget every call goes with a cap: the caller's, or the
// route's default lowered to what answers of the route took so far, and never more than the budget has left. A call that no bound can be told
// of is refused. Stage 10 settles exactly once, by what the backend tells; what it does not tell as whole numbers is bounded by what came. A backend
// that takes more than it was told to is charged in full and its route stops, since no budget over it could be kept.
package proxy
