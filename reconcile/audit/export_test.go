package audit

// Fdatasync is the floor of a durable write.
var Fdatasync = fdatasync

// OpenFaulty opens a log over a disk whose operations fault fails: see disk.
func OpenFaulty(o Options, fault func(op, name string) (int, error)) (*Log, error) {
	return open(o, &disk{fault: fault})
}

// Waiting is how many records wait to be written.
func (l *Log) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.next.records)
}
