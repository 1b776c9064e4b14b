//go:build unix

package upstream

import "golang.org/x/sys/unix"

// alive says that an idle connection is still open and silent. What was closed, and what speaks unasked, is not for another request.
func alive(c *conn) bool {
	silent := false
	err := c.raw.Control(func(fd uintptr) { // not Read, which a deadline of the last request would end
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		silent = err == unix.EAGAIN
	})
	return err == nil && silent
}
