package ledger

import (
	"math"
	"math/bits"
)

// Nano is an amount of money in billionths of its currency. It counts up to 9.2 billion; what is more stays there.
type Nano int64

// Usage is what one call took. No field is negative.
type Usage struct {
	// Input tokens in all, and Cached those of them that the backend had at hand.
	Input  int64 `json:"input,omitempty"`
	Cached int64 `json:"cached,omitempty"`
	// Output tokens in all, those of reasoning with them.
	Output int64 `json:"output,omitempty"`
}

// Price is what a backend takes, in a currency that its budget tree knows.
type Price struct {
	// PerMillion tokens.
	InputPerMillion  Nano `json:"inputPerMillion,omitempty"`
	CachedPerMillion Nano `json:"cachedPerMillion,omitempty"`
	OutputPerMillion Nano `json:"outputPerMillion,omitempty"`
	// PerCall is taken once for each call that the backend answered.
	PerCall Nano `json:"perCall,omitempty"`
}

const million = 1_000_000

// Cost of a call, each kind of token rounded up to the next billionth by itself.
func (p *Price) Cost(u Usage) Nano {
	cached := min(u.Cached, u.Input)
	cost := addNano(p.PerCall, perMillion(u.Input-cached, p.InputPerMillion))
	cost = addNano(cost, perMillion(cached, p.CachedPerMillion))
	return addNano(cost, perMillion(u.Output, p.OutputPerMillion))
}

// Affords is how many output tokens a call with that input may have for an amount: -1 when not even the input can be paid.
func (p *Price) Affords(left Nano, input int64) int64 {
	rest := left - p.Cost(Usage{Input: input})
	if left < 0 || rest < 0 {
		return -1
	}
	if p.OutputPerMillion == 0 {
		return math.MaxInt64
	}
	hi, lo := bits.Mul64(uint64(rest), million)
	if hi >= uint64(p.OutputPerMillion) {
		return math.MaxInt64
	}
	n, _ := bits.Div64(hi, lo, uint64(p.OutputPerMillion))
	return int64(min(n, math.MaxInt64))
}

func perMillion(n int64, price Nano) Nano {
	if n <= 0 || price <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(n), uint64(price))
	if hi >= million {
		return math.MaxInt64
	}
	q, r := bits.Div64(hi, lo, million)
	if r > 0 {
		q++
	}
	return Nano(min(q, math.MaxInt64))
}

func addNano(a, b Nano) Nano { return Nano(add(int64(a), int64(b))) }

// add of two amounts that are not negative; it stays at the top.
func add(a, b int64) int64 {
	if s := a + b; s >= 0 {
		return s
	}
	return math.MaxInt64
}
