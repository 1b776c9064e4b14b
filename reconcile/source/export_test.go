package source

// Wakes is how often Run woke up: an idle Source does not.
func (s *Source) Wakes() int64 { return s.wakes.Load() }

// WithoutLeases makes it as on a file system, or for a file, that gives no leases. Call it before Run.
func (s *Source) WithoutLeases() { s.writers = func(int) (bool, bool) { return false, false } }

// FailWatches fails watching the paths for which fn gives an error. Call it before Run.
func (s *Source) FailWatches(fn func(path string) error) { s.addWatch = fn }
