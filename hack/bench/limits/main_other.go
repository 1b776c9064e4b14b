//go:build !linux

package main

import "os"

func main() {
	os.Stderr.WriteString("bench: limits need Linux\n")
	os.Exit(1)
}
