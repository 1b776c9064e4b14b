package filter_test

import (
	"strings"
	"testing"

	"mirroros.dev/mirroros/controllers/gate/proxy/filter"
)

// BenchmarkRequest filters 4 KiB without a secret.
func BenchmarkRequest(b *testing.B) {
	plain := strings.Repeat("The quick brown fox jumps over the lazy dog, and the dog does not mind. ", 57)
	for name, text := range map[string]string{"plain": plain, "with key words": plain[:2000] + " the password and the token of the api key " + plain[2000:]} {
		for _, typ := range []string{filter.RedactSecrets, filter.BlockInjection} {
			f, err := filter.Compile([]filter.Config{{Type: typ, On: "Both"}})
			if err != nil {
				b.Fatal(err)
			}
			b.Run(typ+"/"+name, func(b *testing.B) {
				texts := []string{text}
				b.ReportAllocs()
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					if v := f.Apply(filter.Request, texts); v.Refused != nil || v.Changed {
						b.Fatal(v)
					}
				}
			})
		}
	}
	f, _ := filter.Compile([]filter.Config{{Type: filter.RedactSecrets, On: "Both"}})
	b.Run("stream of words", func(b *testing.B) {
		words := strings.SplitAfter(plain, " ")
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			s := f.Stream(filter.Response)
			for _, w := range words {
				s.Write(w)
			}
			s.Close()
		}
	})
}
