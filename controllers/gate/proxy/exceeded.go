package proxy

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// String says in words which limit a call does not fit into, and when it would.
func (e *Exceeded) String() string {
	whose := ""
	if e.Principal != "" {
		whose = " of " + e.Principal
	}
	unit := map[string]string{"tokens": "tokens", "inputTokens": "input tokens", "outputTokens": "output tokens", "cost": e.Currency, "requests": "requests",
		"concurrency": "calls at once"}[e.Measure]
	text := fmt.Sprintf("limit %s of budget %s%s is %s %s; %s are used or reserved, and this call may need %s", e.Limit, e.Budget, whose,
		e.amount(e.Amount), unit, e.amount(e.Used), e.amount(e.Need))
	switch {
	case e.Need > e.Amount:
		text += ": it never fits; ask for a shorter answer, or raise the limit"
	case e.Reset < 0:
		text += "; the limit does not reset by itself"
	case e.Reset == 0:
		text += "; there is room when a call under way ends"
	default:
		text += fmt.Sprintf("; there is room in %s (%d s)", words(e.Reset), int64(seconds(e.Reset)/time.Second))
	}
	if e.Waited {
		text += "; the call waited as long as it may"
	}
	return text
}

// amount in its measure; money in whole units of the currency.
func (e *Exceeded) amount(n int64) string {
	const unit = 1_000_000_000
	if e.Measure != "cost" {
		return strconv.FormatInt(n, 10)
	}
	fraction := strings.TrimRight(fmt.Sprintf("%09d", n%unit), "0")
	for len(fraction) < 2 {
		fraction += "0"
	}
	return strconv.FormatInt(n/unit, 10) + "." + fraction
}

// words tell a time by its two largest units.
func words(d time.Duration) string {
	d = seconds(d)
	units := []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.of {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.of, u.name)
		if i+1 < len(units) {
			if n := d % u.of / units[i+1].of; n > 0 {
				text += fmt.Sprintf(" %d %s", n, units[i+1].name)
			}
		}
		return text
	}
	return "0 s"
}

// far is from when on it is no use to try again by itself.
const far = time.Minute

// mark tells a client when to try again.
func (e *Exceeded) mark(h http.Header) {
	left := Left{Known: true, Limit: e.Amount, Remaining: e.Amount - e.Used, Reset: e.Reset}
	switch e.Measure {
	case "tokens", "inputTokens", "outputTokens":
		left.mark(h, limitHeaders[0])
	case "requests":
		left.mark(h, limitHeaders[1])
	}
	never := e.Reset < 0 || e.Need > e.Amount
	if !never {
		h.Set("Retry-After", strconv.FormatInt(max(1, int64(seconds(e.Reset)/time.Second)), 10))
	}
	if never || e.Reset > far {
		h.Set("X-Should-Retry", "false")
	}
}
