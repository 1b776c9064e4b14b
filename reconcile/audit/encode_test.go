package audit_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/audit"
)

// anyRecord fills the fields of a record at random, with texts that are hard to write down.
func anyRecord(random *rand.Rand) *audit.Record {
	texts := []string{"", "plain", "a\"b\\c", "line\nbreak\r\t\b\f\x00\x1f\x7f", "<html>&amp;", "\xff\xfe not UTF-8 \xe2\x28", "漢字 😀 \u2028 \u2029 \ufffd", strings.Repeat("x", 5000)}
	r := &audit.Record{}
	v := reflect.ValueOf(r).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Interface().(type) {
		case string:
			f.SetString(texts[random.IntN(len(texts))])
		case int, int64:
			f.SetInt([]int64{0, 1, -1, 1 << 62}[random.IntN(4)])
		case bool:
			f.SetBool(random.IntN(2) > 0)
		case []string:
			f.Set(reflect.ValueOf([][]string{nil, {"a"}, {"a", texts[2], texts[5]}}[random.IntN(3)]))
		}
	}
	r.Kind = audit.KindDecision
	r.Time = time.Unix(random.Int64N(1<<33), random.Int64N(1e9)).UTC()
	return r
}

var _ = Describe("A line", func() {
	It("is what encoding/json makes of the record, for any record", func() {
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 3))
		p := newPlace()
		l := p.open("gate")
		var all []*audit.Record
		for range 200 {
			all = append(all, anyRecord(random))
			Expect(l.Write(all[len(all)-1], false)).To(Succeed())
		}
		Expect(l.Close()).To(Succeed())
		lines := slices.DeleteFunc(strings.SplitAfter(read(p.files("*.jsonl")[0]), "\n")[2:], func(l string) bool { return strings.Contains(l, `"kind":"checkpoint"`) })
		for i, want := range all {
			var have audit.Record
			Expect(json.Unmarshal([]byte(lines[i]), &have)).To(Succeed())
			want.Seq, want.Prev = have.Seq, have.Prev
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			Expect(enc.Encode(want)).To(Succeed())
			Expect(lines[i]).To(Equal(b.String()), "seed %d", GinkgoRandomSeed())
		}
	})

	It("is refused when it is none of a caller's", func() {
		l := newPlace().open("gate")
		Expect(l.Write(&audit.Record{}, false)).To(MatchError(ContainSubstring("no kind")))
		Expect(l.Write(&audit.Record{Kind: audit.KindCheckpoint}, false)).To(MatchError(ContainSubstring("the log's own")))
		Expect(l.Write(&audit.Record{Kind: audit.KindDecision, Time: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)}, false)).To(MatchError(ContainSubstring("the year 12000")))
		Expect(l.Write(&audit.Record{Kind: audit.KindDecision, RequestBody: strings.Repeat("x", 65<<20)}, false)).To(MatchError(ContainSubstring("more than 64")))
		Expect(l.Write(decision("r1"), false)).To(Succeed())
		Expect(l.Close()).To(Succeed())
		Expect(l.Close()).To(Succeed(), "twice")
		Expect(l.Write(decision("r2"), false)).To(MatchError(ContainSubstring("closed")))
		l.Post(decision("r3"))
	})
})
