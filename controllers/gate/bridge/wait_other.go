//go:build !linux

package bridge

// wait reaps the process. What it left behind has lost its stdin, and ends by that.
func (c *child) wait() error {
	err := c.cmd.Wait()
	c.mu.Lock()
	c.reaped = true
	c.mu.Unlock()
	return err
}
