package proxy

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"mirroros.dev/mirroros/specs/expr"
)

// condition is the text of a rule's condition, compiled when it is needed first. All rules with that text share it.
type condition struct {
	text string
	turn int64 // under Cache.mu
	// headers, arguments: it may look at them. That is a matter of its words, so that it need not be compiled to tell.
	headers, arguments bool

	once    sync.Once
	done    atomic.Bool
	program *expr.Program
	err     error
}

func newCondition(text string) *condition {
	return &condition{text: text, headers: strings.Contains(text, "headers"), arguments: strings.Contains(text, "arguments")}
}

// compile gives the error of a condition that is none.
func (c *condition) compile() error {
	c.once.Do(func() {
		c.program, c.err = expr.Compile(c.text)
		c.done.Store(true)
	})
	return c.err
}

func (c *condition) compiled() bool { return c.done.Load() }

// warm compiles the conditions that nobody needed yet, one after the other, until the context ends.
func (s *Server) warm(ctx context.Context) {
	for _, g := range s.view.Load().gates {
		for _, r := range g.rules {
			if ctx.Err() != nil {
				return
			}
			if r.when == nil || r.when.compiled() {
				continue
			}
			if err := r.when.compile(); err != nil {
				s.o.Log.Error(err, "A condition does not compile any more; it refuses what it is asked about", "gate", g.Name, "rule", r.title())
			}
		}
	}
}

// eval tells whether it holds. An error refuses, be it that it does not compile.
func (c *condition) eval(v *expr.Vars) (bool, error) {
	if err := c.compile(); err != nil {
		return false, err
	}
	return c.program.Eval(v)
}
