//go:build unix

package upstream

import "golang.org/x/sys/unix"

// alive says that an idle connection is still open and silent. What was closed, and what speaks unasked, is not for another request.
func (c *conn) alive() bool {
	if c.look == nil {
		c.look = func(fd uintptr) { // not Read, which a deadline of the last request would end
			ask := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			_, err := unix.Poll(ask[:], 0)
			c.silent = err == nil && ask[0].Revents == 0 // an end or a fault would be told
		}
	}
	c.silent = false
	return c.raw.Control(c.look) == nil && c.silent
}
