//go:build !linux

package cli

import "runtime"

// hostFindings: what the operator needs is Linux' own.
func hostFindings(doctorOptions) []finding {
	return []finding{fail("run mirrorosd on Linux", "%s: the operator starts no workloads here; validate, explain and create --dry-run work", runtime.GOOS)}
}
