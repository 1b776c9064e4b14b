package guard

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// holdDescriptor is where the guardian takes listening sockets, and gives back those of the operator before.
const holdDescriptor = 4

// The bounds of what a guardian holds. A name is of printable ASCII characters without a space.
const (
	MaxSockets = 1024
	MaxName    = 255
)

// Keeper is the guardian as the holder of listening sockets: they outlive this process, and whoever connects meanwhile waits.
// Its methods may be called from any goroutine.
type Keeper struct{ fd int }

// OpenKeeper gives the guardian as a keeper, and the sockets that it keeps, as descriptors by name; they are the caller's. It must be called once, while
// Guarded, and fails when the guardian is one that keeps none.
func OpenKeeper() (*Keeper, map[string]int, error) {
	unix.CloseOnExec(holdDescriptor)
	domain, err := unix.GetsockoptInt(holdDescriptor, unix.SOL_SOCKET, unix.SO_DOMAIN)
	kind, kerr := unix.GetsockoptInt(holdDescriptor, unix.SOL_SOCKET, unix.SO_TYPE)
	if err = errors.Join(err, kerr); err != nil || domain != unix.AF_UNIX || kind != unix.SOCK_SEQPACKET || !Guarded() {
		return nil, nil, errors.New("cannot leave sockets with the guardian: it is of an older version, or there is none")
	}
	k := &Keeper{fd: holdDescriptor}
	patience := unix.Timeval{Sec: 5} // for a guardian that is stopped
	unix.SetsockoptTimeval(k.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience)
	unix.SetsockoptTimeval(k.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience)
	kept, err := k.list()
	return k, kept, err
}

// Put has the guardian keep a socket under a name, instead of what it had there.
func (k *Keeper) Put(name string, socket int) error {
	if !isName(name) {
		return fmt.Errorf("cannot leave socket %q with the guardian: its name is no word of at most %d characters", name, MaxName)
	}
	return k.send("put "+name, unix.UnixRights(socket))
}

// Drop has the guardian close what it has under a name.
func (k *Keeper) Drop(name string) error { return k.send("drop "+name, nil) }

func (k *Keeper) send(packet string, rights []byte) error {
	for {
		err := unix.Sendmsg(k.fd, []byte(packet), rights, nil, unix.MSG_NOSIGNAL)
		if !errors.Is(err, unix.EINTR) {
			if err != nil {
				err = fmt.Errorf("cannot reach the guardian about its sockets: %w", err)
			}
			return err
		}
	}
}

// list asks for all sockets, and reads packets until the one that says that there are no more.
func (k *Keeper) list() (kept map[string]int, err error) {
	kept = map[string]int{}
	if err := k.send("list", nil); err != nil {
		return kept, err
	}
	packet, control := make([]byte, MaxName+16), make([]byte, unix.CmsgSpace(4*4))
	for {
		n, cn, _, _, err := unix.Recvmsg(k.fd, packet, control, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return kept, fmt.Errorf("cannot ask the guardian for its sockets: %w", err)
		case n == 0:
			return kept, errors.New("cannot ask the guardian for its sockets: it is gone")
		case string(packet[:n]) == "done":
			return kept, nil
		}
		name, ok := strings.CutPrefix(string(packet[:n]), "socket ")
		for _, fd := range rights(control[:cn]) {
			if _, twice := kept[name]; !ok || twice {
				unix.Close(fd)
			} else {
				kept[name] = fd
			}
		}
	}
}

// rights are the descriptors that came with a packet.
func rights(control []byte) (fds []int) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for i := range messages {
		if got, err := unix.ParseUnixRights(&messages[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

func isName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= MaxName
}
