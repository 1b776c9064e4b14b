//go:build !linux

package main

// filesystem is not told apart here.
func filesystem(string) (string, error) { return "", nil }

// spread has no use here.
func spread(string) {}
