package sockets

import "syscall"

const acceptConn = syscall.SO_ACCEPTCONN
