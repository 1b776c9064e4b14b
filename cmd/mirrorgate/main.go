// Command mirrorgate is the data plane: it serves every gate and service port of the host by what the operator wrote down for it, and goes on
// without the operator. The operator runs it as the process mirrorgate.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// version is set by the linker.
var version = "dev"

func main() {
	err := newCommand().ExecuteContext(context.Background())
	var e *exitError
	switch {
	case err == nil:
	case errors.As(err, &e):
		if e.err != nil {
			fmt.Fprintln(os.Stderr, "mirrorgate:", e.err)
		}
		os.Exit(e.code)
	default:
		fmt.Fprintln(os.Stderr, "mirrorgate:", err)
		os.Exit(1)
	}
}
