package source_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/source"
)

// change does one random thing to a tree; what cannot be done is left undone.
func change(r *rand.Rand, root string) string {
	somewhere := func() string {
		dirs := []string{".", "a", "b", "a/x", "b/x", "a/x/y", "l"}
		return filepath.Join(root, dirs[r.IntN(len(dirs))])
	}
	file := func() string { return filepath.Join(somewhere(), fmt.Sprint("f", r.IntN(4), ".yaml")) }
	switch n := r.IntN(20); {
	case n < 8:
		at := file()
		_ = os.WriteFile(at, fmt.Append(nil, "content ", r.IntN(5)), 0o644)
		return "write " + at
	case n < 10:
		from, to := file(), file()
		_ = os.Rename(from, to)
		return "rename " + from + " " + to
	case n < 12:
		at := file()
		_ = os.Remove(at)
		return "remove " + at
	case n < 15:
		at := somewhere()
		_ = os.MkdirAll(at, 0o755)
		return "mkdir " + at
	case n < 17:
		from, to := somewhere(), somewhere()
		if from != root {
			_ = os.Rename(from, to)
		}
		return "rename " + from + " " + to
	case n < 18:
		at := somewhere()
		if at != root {
			_ = os.RemoveAll(at)
		}
		return "remove all " + at
	case n < 19:
		to, at := somewhere(), filepath.Join(root, "l")
		_ = os.Remove(at)
		_ = os.Symlink(to, at)
		return "link " + at + " " + to
	default:
		to, at := file(), file()
		_ = os.Symlink(to, at)
		return "link " + at + " " + to
	}
}

// Whatever is done to the tree, in whatever bursts, the Source ends with what reading it anew gives.
var _ = Describe("Any order of changes", func() {
	for round := range 6 {
		It(fmt.Sprint("ends with what is there, round ", round), func(ctx context.Context) {
			seed := uint64(GinkgoRandomSeed())*100 + uint64(round)
			r := rand.New(rand.NewPCG(seed, 0))
			root := tempDir()
			w := watch(root)
			var done []string
			for i := range 15 {
				for range r.IntN(30) {
					done = append(done, change(r, root))
				}
				unlinkNothing(root)
				marker := fmt.Sprint("marker ", i)
				put(root, "marker.yaml", marker)
				w.until(fmt.Sprintf("what is there; seed %d", seed), func(s *source.Snapshot) bool {
					m, there := s.Files["marker.yaml"], source.Read(ctx, source.Options{Root: root})
					fits := m != nil && string(m.Data) == marker && sameFiles(s, there)
					if !fits {
						GinkgoWriter.Println("last changes:", done[max(0, len(done)-20):], "there:", describe(there))
					}
					return fits
				})
			}
			Expect(w.Latest().Err).NotTo(HaveOccurred())
		})
	}
})

// unlinkNothing removes links that lead nowhere: what was behind them is kept, and that is another spec.
func unlinkNothing(root string) {
	_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type()&os.ModeSymlink != 0 && filepath.Ext(path) != ".yaml" {
			if _, err := os.Stat(path); err != nil {
				_ = os.Remove(path)
			}
		}
		return nil
	})
}

func sameFiles(a, b *source.Snapshot) bool {
	if !slices.Equal(contents(a), contents(b)) {
		return false
	}
	for rel, f := range a.Files {
		if (f.Err == nil) != (b.Files[rel].Err == nil) {
			return false
		}
	}
	return true
}
