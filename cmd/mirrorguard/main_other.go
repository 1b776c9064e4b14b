//go:build !linux

package main

import "os"

func main() {
	os.Stderr.WriteString("mirrorguard: cannot guard anything: it needs Linux\n")
	os.Exit(1)
}
