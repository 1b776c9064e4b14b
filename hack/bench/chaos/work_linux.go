package main

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

// code is what workload id ends with; from 200 on it is a signal that it sends itself.
func code(id int) int {
	if id%17 == 16 {
		return 200 + int(syscall.SIGKILL)
	}
	return (id*7919 + 3) % 200
}

// pause is how long it lives.
func pause(id int) time.Duration { return time.Duration(id*37%30) * time.Millisecond }

// work is one workload: FILE ID. It adds its number to the file, waits, and ends in its own way.
func work(args []string) {
	id, err := strconv.Atoi(args[1])
	if err != nil {
		os.Exit(255)
	}
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		os.Exit(254)
	}
	f.WriteString(args[1] + "\n")
	time.Sleep(pause(id))
	c := code(id)
	if c >= 200 {
		syscall.Kill(os.Getpid(), syscall.Signal(c-200))
		time.Sleep(time.Minute)
	}
	os.Exit(c)
}
