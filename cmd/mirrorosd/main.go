// Command mirrorosd is the operator: it watches a directory of manifests and reconciles the host toward them.
//
// Started plainly it execs mirrorguard, which starts it again as its child and holds what it runs when it dies.
package main

import (
	"errors"
	"fmt"
	"os"
)

// version is set by the linker.
var version = "dev"

func main() {
	err := newCommand().Execute()
	var e *exitError
	switch {
	case err == nil:
	case errors.As(err, &e):
		fmt.Fprintln(os.Stderr, "mirrorosd:", e.err)
		os.Exit(e.code)
	default:
		fmt.Fprintln(os.Stderr, "mirrorosd:", err)
		os.Exit(1)
	}
}
