//go:build !linux

package ledger_test

const limitedEnv = ""

func limited(string) {}
