package upstream

// AfterLook has f called after an idle connection was found alive and before it is used: the moment in which a server may close it.
func (cl *Client) AfterLook(f func()) { cl.looked = f }

// Idle counts the idle connections.
func (cl *Client) Idle() int {
	cl.pool.mu.Lock()
	defer cl.pool.mu.Unlock()
	n := 0
	for _, idle := range cl.pool.idle {
		n += len(idle)
	}
	return n
}
