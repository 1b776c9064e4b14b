package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// talk serves connections that begin with a line. After "echo" it says everything back, and after the client's end who it is and how much it
// heard; after "first" it has its say and its end before the client has, and prints how much it heard after that.
func talk(args []string) {
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		fail(err)
	}
	go func() { wait(syscall.SIGTERM); os.Exit(0) }()
	for {
		c, err := l.Accept()
		if err != nil {
			fail(err)
		}
		go converse(c.(*net.TCPConn))
	}
}

func converse(c *net.TCPConn) {
	defer c.Close()
	in := bufio.NewReader(c)
	line, err := in.ReadString('\n')
	if err != nil {
		return
	}
	if line == "first\n" {
		fmt.Fprintf(c, "%d first\n", os.Getpid())
		_ = c.CloseWrite()
		n, err := io.Copy(io.Discard, in)
		fmt.Printf("heard %d bytes after my end, %v\n", n, err)
		return
	}
	n, err := io.Copy(c, in)
	if err == nil {
		fmt.Fprintf(c, "%d heard %d bytes\n", os.Getpid(), n)
	}
}

// stream serves HTTP/2 without TLS. It answers each message of a body, framed as gRPC frames them, with the same in capitals as soon as it
// comes, and says in the trailers who it is and that all went well.
func stream(args []string) {
	go func() { wait(syscall.SIGTERM); os.Exit(0) }()
	s := &http.Server{Addr: args[0], Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		status := "0"
		for {
			message, err := readMessage(r.Body)
			if err == nil {
				err = writeMessage(w, strings.ToUpper(message))
			}
			if err != nil {
				if err != io.EOF {
					status = "13"
				}
				break
			}
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set("Grpc-Status", status)
		w.Header().Set("Grpc-Message", fmt.Sprint(os.Getpid()))
	})}
	s.Protocols.SetUnencryptedHTTP2(true)
	s.Protocols.SetHTTP1(true) // for a probe
	fail(s.ListenAndServe())
}

// readMessage reads one message of gRPC: a byte of flags, four of length, and the text.
func readMessage(r io.Reader) (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	text := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(r, text)
	return string(text), err
}

func writeMessage(w io.Writer, text string) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text))), text...))
	return err
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
