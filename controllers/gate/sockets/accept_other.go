//go:build !linux

package sockets

const acceptConn = 0x2 // SO_ACCEPTCONN of BSD, which package syscall has not everywhere
