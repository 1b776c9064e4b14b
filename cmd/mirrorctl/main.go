// Command mirrorctl is the command line of the operator. It is thin: the operator diffs, merges, plans and prints tables.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"mirroros.dev/mirroros/cmd/mirrorctl/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, version, os.Args[1:])
	stop()
	os.Exit(code)
}
