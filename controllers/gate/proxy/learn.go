package proxy

import (
	"math"
	"reflect"
	"sync"
	"sync/atomic"
)

// routeState is what the gate knows of a route from one call to the next, whatever becomes of the configuration. A gate that starts knows nothing.
type routeState struct {
	mu      sync.Mutex // guards the fields below
	outputs sketch
	inputs  int
	density float64 // the most input tokens that a byte of text was

	breach atomic.Pointer[breach]
	turn   int64 // under Cache.mu
}

// breach is why a route serves nothing any more.
type breach struct {
	config *RouteConfig // that it had
	why    string
}

// stopped tells why a route serves nothing; a route that was changed since is given another chance.
func (s *routeState) stopped(c *RouteConfig) *breach {
	b := s.breach.Load()
	if b == nil || b.config == c || reflect.DeepEqual(b.config, c) {
		return b
	}
	s.breach.CompareAndSwap(b, nil)
	return nil
}

const (
	// enough is how many calls must be known before something is learned from them.
	enough = 20
	// margin is how much more than what was learned is reserved.
	margin = 1.25
	// likely is the part of all answers that the estimate lets end by themselves, leastEstimate the shortest estimate.
	likely        = 0.99
	leastEstimate = 256
)

// output is the estimate of what an answer of the route takes: a quantile of what the last thousand took, and a quarter more; 0 while too little is
// known.
func (s *routeState) output() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outputs.n < enough {
		return 0
	}
	return max(leastEstimate, int64(math.Ceil(margin*float64(s.outputs.quantile(likely)))))
}

// input is the estimate of what a text of that many bytes takes; 0 while too little is known.
func (s *routeState) input(text int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inputs < enough {
		return 0
	}
	return int64(math.Ceil(margin * s.density * float64(text)))
}

// answered learns from the length of an answer whose caller set no bound. One that was cut at the cap would have been longer, by how much nobody
// knows: it counts double, so that an estimate which is too low grows fast.
func (s *routeState) answered(tokens, limit int64) {
	if limit > 0 && tokens >= limit {
		tokens *= 2
	}
	s.mu.Lock()
	s.outputs.add(tokens)
	s.mu.Unlock()
}

// asked learns how many tokens a text took.
func (s *routeState) asked(tokens, text int64) {
	if text <= 0 {
		return
	}
	s.mu.Lock()
	s.inputs++
	s.density = max(s.density, float64(tokens)/float64(text))
	s.mu.Unlock()
}

// sketch counts numbers by their size, in buckets of a quarter of an octave, as DDSketch does (Masson, Rim, Lee: DDSketch, PVLDB 12(12), 2019): a
// quantile of it is no less than the true one, and at most 19 % more (2^(1/4)). Each time it has counted 1024 numbers all counts are halved, so that old
// ones matter ever less.
type sketch struct {
	n      uint32
	counts [160]uint32 // up to 2^40
}

const sketchFull = 1024

func (s *sketch) add(v int64) {
	i := 0
	if v > 1 {
		i = min(int(math.Ceil(4*math.Log2(float64(v)))), len(s.counts)-1)
	}
	s.counts[i]++
	if s.n++; s.n < sketchFull {
		return
	}
	s.n = 0
	for i := range s.counts {
		s.counts[i] /= 2
		s.n += s.counts[i]
	}
}

// quantile gives a number that the part q of all is no more than.
func (s *sketch) quantile(q float64) int64 {
	rank, seen := uint32(math.Ceil(q*float64(s.n))), uint32(0)
	for i, c := range s.counts {
		if seen += c; seen >= rank {
			return int64(math.Ceil(math.Exp2(float64(i) / 4)))
		}
	}
	return math.MaxInt64 >> 2
}
