package proxy

import (
	"math/rand/v2"
	"time"
)

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// requestID is 16 characters of Crockford's base32, which sort by time: 48 bits of milliseconds, 32 random ones.
func requestID(now time.Time) string {
	ms, random := uint64(now.UnixMilli())&(1<<48-1), uint64(rand.Uint32())
	high, low := ms>>8, (ms&0xff)<<32|random // 40 bits each
	var b [16]byte
	for i := range 8 {
		shift := 35 - 5*i
		b[i], b[8+i] = crockford[high>>shift&31], crockford[low>>shift&31]
	}
	return string(b[:])
}
