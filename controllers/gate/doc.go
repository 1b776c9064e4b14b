// Package gate turns Gates, Routes, GateRules, Principals and TokenBudgets into what the data plane runs on, and tells how the first four are;
// how a budget is package budget tells.
//
// One reconciler has all four kinds, since together they are one configuration: a rule concerns every route, a principal every rule. Its
// one request stands for all of it. It looks at every object, decides four documents (proxy.Config, Endpoints and Identities, and
// ledger.Config), the listening sockets and whether there is a process mirrorgate at all, brings that about, has the gates load what changed, and writes each object's
// status. Nothing runs, and nothing is looked at again, while there is neither a Gate nor a service port.
//
// Who owns what: the files in <state>/gate are written here and read by the gates. tokens.json in the same place is this package's own; it
// knows tokens by their digests. Token files of instances are in <run>/tokens, each readable by the user of its instance alone.
package gate
