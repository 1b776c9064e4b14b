package probe

// Verdict is what a row of outcomes amounts to.
type Verdict string

// The verdicts. Undecided: neither threshold has been reached since the counter was new.
const (
	Undecided Verdict = ""
	Healthy   Verdict = "Healthy"
	Unhealthy Verdict = "Unhealthy"
)

// Counter counts outcomes in a row against thresholds. It is a value: the zero one is new, and Add returns the next.
type Counter struct {
	ok      bool
	row     int
	verdict Verdict
}

// Add counts one outcome. The verdict changes when as many outcomes in a row as the threshold says agree, and stays until the
// other threshold is reached. Thresholds below 1 count as 1.
func (c Counter) Add(ok bool, success, failure int) (Counter, Verdict) {
	if c.row == 0 || c.ok != ok {
		c.ok, c.row = ok, 0
	}
	const plenty = 1 << 30
	c.row = min(c.row+1, plenty)
	switch {
	case ok && c.row >= success:
		c.verdict = Healthy
	case !ok && c.row >= failure:
		c.verdict = Unhealthy
	}
	return c, c.verdict
}

// Verdict is the present one.
func (c Counter) Verdict() Verdict { return c.verdict }

// Row is the last outcome and how often in a row it came.
func (c Counter) Row() (ok bool, n int) { return c.ok, c.row }
