package proxy_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

var _ = Describe("the usage of an answer", func() {
	It("is found however the answer is cut, and nothing else is taken for it", func() {
		seed := uint64(GinkgoRandomSeed())
		random := rand.New(rand.NewPCG(seed, 5))
		texts := []string{"", "usage", `"usage":{"prompt_tokens":9}`, "a\\", `\"`, "\n\t", "ü€😀", strings.Repeat("long ", 100), `{"usage":{`, "\\\\\"",
			strings.Repeat(`\`, 300), strings.Repeat(`"`, 300), "usag", "usages"}
		text := func() string { return texts[random.IntN(len(texts))] + texts[random.IntN(len(texts))] }
		var value func(depth int) any
		value = func(depth int) any {
			switch random.IntN(5) {
			case 0:
				return random.IntN(1000)
			case 1:
				return nil
			case 2:
				if depth > 0 {
					return []any{value(depth - 1), map[string]any{"usage": map[string]any{"prompt_tokens": 7}}, value(depth - 1)}
				}
			case 3:
				if depth > 0 {
					return map[string]any{"x" + text(): value(depth - 1), "y": value(depth - 1)}
				}
			}
			return text()
		}
		for n := range 300 {
			object := map[string]any{}
			for i := range random.IntN(6) {
				object[fmt.Sprint("k", i, text())] = []any{value(2)}
			}
			known := random.IntN(3) > 0
			input, output := random.Int64N(1<<40), random.Int64N(1<<40)
			if known {
				said := map[string]any{"prompt_tokens": input, "note": text(), "completion_tokens": output, "details": map[string]any{"a": text()}}
				if random.IntN(2) == 0 {
					object["usage"] = said
				} else {
					object["message"] = map[string]any{"usage": said, "content": text()}
				}
			}
			if random.IntN(2) == 0 { // what its caller sent, and got back
				object["metadata"] = map[string]any{"usage": map[string]any{"prompt_tokens": 0, "completion_tokens": 0}, "message": text()}
			}
			raw, err := json.Marshal(object)
			Expect(err).NotTo(HaveOccurred())
			var pieces [][]byte
			for rest := raw; len(rest) > 0; {
				m := min(len(rest), 1+random.IntN(1+random.IntN(200)))
				pieces, rest = append(pieces, rest[:m]), rest[m:]
			}
			in, out, has := proxy.UsageOf(pieces...)
			by := fmt.Sprintf("seed %d, text %d: %s", seed, n, raw)
			Expect(has).To(Equal(known), by)
			if known {
				Expect([]int64{in, out}).To(Equal([]int64{input, output}), by)
			}
		}
	})
})
