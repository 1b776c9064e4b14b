package expr

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest is the word nearest to what was written, among those that would be right; empty when none is near.
func Nearest(word string, known []string) string {
	best, bestDistance := "", max(1, len(word)/3)+1
	lower := strings.ToLower(word)
	ordered := slices.SortedFunc(slices.Values(known), cmp.Compare[string])
	for _, k := range ordered {
		if len(word) > 64 || len(k) > 64 {
			continue
		}
		if d := distance(lower, strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is how many letters must be put in, taken out, replaced or swapped with their neighbour to make b of a.
func distance(a, b string) int {
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
