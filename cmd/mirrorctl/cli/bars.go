package cli

import (
	"math"
	"strings"
)

// eighths of a block, from the left and from below.
var (
	leftEighths  = []rune(" ▏▎▍▌▋▊▉█")
	belowEighths = []rune("▁▂▃▄▅▆▇█")
)

// bar is a part of a width, in blocks; what is more than all fills it.
func bar(part float64, width int) string {
	eighths := int(math.Round(max(0, min(1, part)) * float64(width) * 8))
	if part > 0 && eighths == 0 {
		eighths = 1 // a little is not nothing
	}
	full, rest := eighths/8, eighths%8
	s := strings.Repeat("█", full)
	if rest > 0 {
		s += string(leftEighths[rest])
		full++
	}
	return s + strings.Repeat("·", width-full)
}

// sparkline is a row of numbers as small columns; the largest is the highest. Zero is a dot on the ground.
func sparkline(values []float64) string {
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	for _, v := range values {
		if v <= 0 || most == 0 {
			b.WriteRune('·')
			continue
		}
		b.WriteRune(belowEighths[min(len(belowEighths)-1, int(v/most*float64(len(belowEighths))))])
	}
	return b.String()
}
