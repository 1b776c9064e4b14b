package main

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

const digits = 12

// newLine is a line of 100 bytes that number puts a number into.
func newLine() []byte {
	b := bytes.Repeat([]byte{'.'}, lineSize)
	b[digits], b[lineSize-1] = ' ', '\n'
	return b
}

func number(line []byte, n int64) {
	for i := digits - 1; i >= 0; i-- {
		line[i] = byte('0' + n%10)
		n /= 10
	}
}

var filler = newLine()[digits:]

// parse reads the number of a line that is whole.
func parse(b []byte) (int64, bool) {
	if len(b) != lineSize || !bytes.Equal(b[digits:], filler) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(b[:digits]), 10, 64)
	return n, err == nil
}

func signalContext() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}
