//go:build linux && !amd64

package main

// sysSeccomp of the generic table, which arm64 and riscv64 have.
const sysSeccomp = 277
