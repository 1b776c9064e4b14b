//go:build !linux

// Command host needs Linux.
package main

import "os"

func main() {
	os.Stderr.WriteString("host: cannot run here: it needs Linux\n")
	os.Exit(1)
}
