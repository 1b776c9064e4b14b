// Package proxy is the data plane: it takes requests on listeners, decides each under one immutable configuration, forwards what is allowed
// and records all of it. It knows neither the kinds of specs nor the operator: it is given a Config, Endpoints and Identities.
//
// A request passes numbered stages, each with reason codes of its own; exactly one outcome: Allowed, Rewritten, Refused, Failed.
//
//	1 transport     2 authenticate   3 parse, match the route, put in caps   4 rules   5 request filters   6 choose backends
//	7 record the decision            8 forward, streamed                     9 response filters            11 record the outcome
//
// Stages 6 and 10 are where budgets reserve and settle. An error in a stage is a refusal: the gate fails closed.
package proxy
