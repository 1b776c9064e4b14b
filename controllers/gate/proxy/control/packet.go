package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// The bounds of a packet. What is longer goes in several.
const (
	maxPacket = 64 << 10
	maxFiles  = 64
	maxCounts = 100
	maxTexts  = 50
	maxText   = 2000
)

// patience is how long the other side may take to read a packet, and a gate to say hello.
const patience = 5 * time.Second

// message is what a packet holds, as JSON: one or more of its fields.
type message struct {
	Hello *Hello `json:"hello,omitempty"`
	// Sockets are the names of the descriptors that came with the packet, in their order; a hello has its own.
	Sockets []string `json:"sockets,omitempty"`
	// More sockets of a hello come with the next packet.
	More bool `json:"more,omitempty"`
	// Reload numbers a request to load the files again; Answer is the number of the last that Running answers.
	Reload  int64    `json:"reload,omitempty"`
	Answer  int64    `json:"answer,omitempty"`
	Running *Running `json:"running,omitempty"`
	Counts  *Counts  `json:"counts,omitempty"`
}

// packets is a connection of packets.
type packets struct {
	*net.UnixConn
	data, control []byte
}

func newPackets(c *net.UnixConn) *packets {
	return &packets{UnixConn: c, data: make([]byte, maxPacket), control: make([]byte, syscall.CmsgSpace(4*maxFiles))}
}

// send sends a message with descriptors, which stay the caller's.
func (p *packets) send(m *message, files ...*os.File) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("cannot encode a message: %w", err)
	}
	if len(data) > maxPacket {
		return fmt.Errorf("cannot send a message of %d bytes: a packet has %d at most", len(data), maxPacket)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			if fds[i], err = descriptor(f); err != nil {
				return err
			}
		}
		rights = syscall.UnixRights(fds...)
	}
	if err := p.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, _, err = p.WriteMsgUnix(data, rights, nil)
	return err
}

// descriptor is a file's number. Fd would make the socket block, for everybody who has it.
func descriptor(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = int(n) })
	}
	return fd, err
}

// receive waits for a message. The descriptors are the caller's.
func (p *packets) receive() (*message, []*os.File, error) {
	n, cn, flags, _, err := p.ReadMsgUnix(p.data, p.control)
	files := received(p.control[:cn])
	if err == nil && flags&(syscall.MSG_TRUNC|syscall.MSG_CTRUNC) != 0 {
		err = errors.New("a packet is longer than any that is allowed")
	}
	m := &message{}
	if err == nil {
		err = json.Unmarshal(p.data[:n], m)
	}
	if err == nil && len(files) != len(m.names()) {
		err = fmt.Errorf("a packet names %d sockets and has %d", len(m.names()), len(files))
	}
	if err != nil {
		closeAll(files)
		return nil, nil, err
	}
	return m, files, nil
}

// names of the sockets that come with a message.
func (m *message) names() []string {
	if m.Hello != nil {
		return m.Hello.Sockets
	}
	return m.Sockets
}

// received are the descriptors that came with a packet.
func received(control []byte) (files []*os.File) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "socket"))
		}
	}
	return files
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// bounded is what goes into one packet whatever it says.
func (r Running) bounded() *Running {
	r.Error = r.Error[:min(len(r.Error), maxText)]
	r.LedgerError = r.LedgerError[:min(len(r.LedgerError), maxText)]
	r.Missing = r.Missing[:min(len(r.Missing), maxTexts)]
	r.Stopped = r.Stopped[:min(len(r.Stopped), maxTexts)]
	return &r
}
