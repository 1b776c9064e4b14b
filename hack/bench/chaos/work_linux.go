package main

import (
	"fmt"
	"os"
	"os/signal"
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

// pause is how long it lives, lines how many lines it writes.
func pause(id int) time.Duration { return time.Duration(id*37%30) * time.Millisecond }
func lines(id int) int           { return 2 + id%5 }

// service is the name of a service.
func service(id int) string { return "s" + strconv.Itoa(id) }

// work is one workload: FILE NAME. It adds its name to the file. One whose name is a number writes its lines, waits, and ends in
// its own way; the others are services.
func work(args []string) {
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		os.Exit(254)
	}
	f.WriteString(args[1] + "\n")
	id, err := strconv.Atoi(args[1])
	if err != nil {
		serve()
		return
	}
	for n := range lines(id) {
		if n > 0 {
			time.Sleep(pause(id) / time.Duration(lines(id)-1))
		}
		fmt.Printf("%d %d\n", id, n)
	}
	c := code(id)
	if c >= 200 {
		syscall.Kill(os.Getpid(), syscall.Signal(c-200))
		time.Sleep(time.Minute)
	}
	os.Exit(c)
}

// serve writes a numbered line every few milliseconds until SIGTERM, and then how many it wrote.
func serve() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	for n := 0; ; n++ {
		select {
		case <-term:
			fmt.Printf("end %d\n", n)
			os.Exit(0)
		case <-time.After(5 * time.Millisecond):
		}
		fmt.Println(n)
	}
}
