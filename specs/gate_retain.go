package specs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultAuditRetain is how long records are kept where a gate says nothing.
const DefaultAuditRetain = 90 * 24 * time.Hour

// ParseDays reads a duration that may be whole days, as 90d, beside Go's own.
func ParseDays(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 31)
		if err != nil || n > 36500 {
			return 0, fmt.Errorf("%q is no number of days up to 36500d", s)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(s)
}

// RetainFor is how long records are kept.
func (a *GateAudit) RetainFor() time.Duration {
	if a == nil || a.Retain == "" {
		return DefaultAuditRetain
	}
	d, err := ParseDays(a.Retain)
	if err != nil {
		return DefaultAuditRetain
	}
	return d
}
