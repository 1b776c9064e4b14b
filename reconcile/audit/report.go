package audit

import (
	"fmt"
	"time"
)

// Report is what Verify found.
type Report struct {
	Dir string `json:"dir"`
	// Key is the fingerprint of the public key.
	Key    string        `json:"key"`
	Chains []ChainReport `json:"chains"`
	// Lines that were read, the log's own among them.
	Lines uint64 `json:"lines"`
	// From and To are the times of the first and the last line; Removed until when retention took records away, zero when it took none.
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"`
	Removed time.Time `json:"removed,omitzero"`
	// Problems are the first thing that is wrong with the index, and in each chain; and what openers found and recorded earlier.
	Problems []Problem `json:"problems"`
}

// OK tells that nothing is wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// ChainReport is one chain.
type ChainReport struct {
	Chain string `json:"chain"`
	Files int    `json:"files"`
	Lines uint64 `json:"lines"`
	// Last is the number of the last line that is good.
	Last uint64    `json:"last"`
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Removed is the number of the last line that retention took.
	Removed uint64 `json:"removed,omitempty"`
	// Ended: its end is signed in the index. Else somebody writes it, or has died and nobody has opened the directory since.
	Ended bool `json:"ended"`
	// Unsigned counts lines after the last checkpoint: they follow from the lines before them, but that they are all, nobody can tell yet.
	Unsigned int `json:"unsigned,omitempty"`
	// Half has the bytes of a line that is being written, or was when its writer died.
	Half int `json:"half,omitempty"`
}

// Problem is one thing that is wrong. Line is 0 where a file as a whole is meant.
type Problem struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}
