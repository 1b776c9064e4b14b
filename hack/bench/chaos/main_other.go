//go:build !linux

// Command chaos needs Linux.
package main

import "os"

func main() {
	os.Stderr.WriteString("chaos: cannot run here: it needs Linux\n")
	os.Exit(1)
}
