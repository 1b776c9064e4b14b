package main

import (
	"mirroros.dev/mirroros/controllers/process/runner"
)

// capabilities is what this host gives, found out once, by doing: how processes are held, limited and confined, and logs bounded.
type capabilities struct {
	runner.Capabilities
	// Landlock is the version of its interface, 0 where there is none. Seccomp: system calls can be filtered.
	Landlock int
	Seccomp  bool
	// NetworkNamespace and UserNamespace: one can be made by the operator's user; in a user namespace the other one too. Else why not.
	NetworkNamespace, UserNamespace string
	// HolePunching: logs are bounded by giving their oldest blocks back. Else why not.
	HolePunching string
}

func (op *operator) capabilities() capabilities {
	c := capabilities{Capabilities: op.runner.Capabilities(), Landlock: op.sandbox.Landlock, Seccomp: op.sandbox.Seccomp,
		NetworkNamespace: yesOr(op.sandbox.NetNS), UserNamespace: yesOr(op.sandbox.UserNS), HolePunching: "yes"}
	if err := op.logs.Bounded(); err != nil {
		c.HolePunching = "no: " + err.Error()
	}
	return c
}

func yesOr(why string) string {
	if why == "" {
		return "yes"
	}
	return "no: " + why
}
