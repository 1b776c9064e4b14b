package source

// Wakes is how often Run woke up: an idle Source does not.
func (s *Source) Wakes() int64 { return s.wakes.Load() }
