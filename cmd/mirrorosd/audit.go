package main

import (
	"path/filepath"
	"sync"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/reconcile/audit"
)

// auditLog is the operator's chain of the audit log. It begins with the first record: an operator that has nothing to record writes nothing,
// and one that cannot, on a full disk for instance, goes on with all that needs no record.
type auditLog struct {
	state string
	log   logr.Logger

	mu   sync.Mutex // guards open
	open *audit.Log
}

// dir is where all chains are.
func (a *auditLog) dir() string { return filepath.Join(a.state, "audit") }

func (a *auditLog) begin() (*audit.Log, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open != nil {
		return a.open, nil
	}
	l, err := audit.Open(audit.Options{Dir: a.dir(), Writer: "operator", KeyFile: filepath.Join(a.state, "audit.key")})
	if err == nil {
		a.open = l
	}
	return l, err
}

// Write records, or says why not.
func (a *auditLog) Write(r *audit.Record, durable bool) error {
	l, err := a.begin()
	if err != nil {
		return err
	}
	return l.Write(r, durable)
}

// Post records without waiting; what cannot be recorded is told in the log.
func (a *auditLog) Post(r *audit.Record) {
	l, err := a.begin()
	if err != nil {
		a.log.Error(err, "cannot record", "reason", r.Reason, "principal", r.Principal)
		return
	}
	l.Post(r)
}

// Close ends the chain, where there is one.
func (a *auditLog) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		return nil
	}
	return a.open.Close()
}
