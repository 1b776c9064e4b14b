package strict_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

var names = []string{"model", "max_tokens", "stream", "tools"}

// read gives the fields of names, as far as the text is accepted.
func read(text string) (map[string]string, error) {
	v, err := strict.Check([]byte(text))
	if err != nil {
		return nil, err
	}
	if !v.IsObject() {
		return nil, errors.New("no object")
	}
	out := map[string]string{}
	return out, v.Fields(names, func(name string, value strict.Value) error {
		if string([]byte(text)[value.At:value.End()]) != string(value.Raw) {
			return errors.New("a value is not where it says")
		}
		out[name] = string(value.Raw)
		return nil
	})
}

var _ = Describe("Check and Fields", func() {
	DescribeTable("refuse what two readers may read differently",
		func(text, why string) {
			_, err := read(text)
			Expect(err).To(MatchError(ContainSubstring(why)))
		},
		Entry("the same name twice", `{"model":"a","model":"b"}`, "twice"),
		Entry("the same name twice, one escaped", `{"model":"a","mod\u0065l":"b"}`, "twice"),
		Entry("the same name twice deep within", `{"x":[{"y":{"a":1,"a":2}}]}`, "twice"),
		Entry("a name in other case", `{"model":"a","Model":"b"}`, "case"),
		Entry("only a name in other case", `{"MODEL":"b"}`, "case"),
		Entry("a name with a long s", `{"ſtream":true}`, "case"),
		Entry("a name with an escaped Kelvin sign", `{"max_to\u212Aens":1}`, "case"),
		Entry("something after it", `{"model":"a"} {"model":"b"}`, "follows"),
		Entry("a byte order mark", "\ufeff{}", "no JSON"),
		Entry("invalid UTF-8", "{\"model\":\"\xff\"}", "no JSON"),
		Entry("half a surrogate pair", `{"model":"\ud800"}`, "no JSON"),
		Entry("half a value", `{"model":"a`, "early"),
		Entry("nothing", ` `, "no JSON value"),
		Entry("a comment", `{"model":"a"/* */}`, "no JSON"),
		Entry("a comma too many", `{"model":"a",}`, "no JSON"),
		Entry("NaN", `{"max_tokens":NaN}`, "no JSON"),
		Entry("nested too deep", strings.Repeat(`{"a":`, 101)+`1`+strings.Repeat(`}`, 101), "deeper"),
		Entry("nested too deep without an end", strings.Repeat(`[`, 100_000), "deeper"),
	)

	It("finds the fields and nothing else", func() {
		Expect(read(` { "a" : [1,{"model":"no"}], "model" : "x\"}" , "tools":[ ], "stream":true,"max_tokens": 12 } `)).To(Equal(
			map[string]string{"model": `"x\"}"`, "tools": "[ ]", "stream": "true", "max_tokens": "12"}))
	})

	It("goes 100 levels deep", func() {
		_, err := read(strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100))
		Expect(err).NotTo(HaveOccurred())
	})

	DescribeTable("a count is digits alone",
		func(text string, ok bool) {
			_, err := strict.Value{Raw: []byte(text)}.Count()
			Expect(err == nil).To(Equal(ok))
		},
		Entry(nil, "0", true), Entry(nil, "9007199254740991", true), Entry(nil, "9007199254740992", false),
		Entry(nil, "1e3", false), Entry(nil, "1.0", false), Entry(nil, "-1", false), Entry(nil, `"1"`, false), Entry(nil, "", false),
	)
})

var _ = Describe("Apply", func() {
	It("changes what was named and no other byte", func() {
		text := []byte(` {"model": "a",  "max_tokens" :9 ,"x":{ }}`)
		v, err := strict.Check(text)
		Expect(err).NotTo(HaveOccurred())
		var edits []strict.Edit
		Expect(v.Fields(names, func(name string, value strict.Value) error {
			if name == "model" {
				edits = append(edits, value.Replace(name, strict.Quote("b\"c")))
			} else {
				edits = append(edits, value.Replace(name, strict.Number(5)))
			}
			return nil
		})).To(Succeed())
		edits = append(edits, v.Insert("stream", []byte("true")))
		Expect(string(strict.Apply(text, edits))).To(Equal(` {"stream":true,"model": "b\"c",  "max_tokens" :5 ,"x":{ }}`))
		Expect(string(text)).To(ContainSubstring(`"max_tokens" :9`))
	})

	It("puts a member into an empty object", func() {
		v, err := strict.Check([]byte(`{ }`))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(strict.Apply([]byte(`{ }`), []strict.Edit{v.Insert("a", []byte("1"))}))).To(Equal(`{"a":1 }`))
	})
})

// FuzzAgree: what is accepted, encoding/json reads the same values from, both into a struct and into a map.
func FuzzAgree(f *testing.F) {
	for _, s := range []string{
		`{"model":"a","max_tokens":10,"stream":true,"tools":[{"function":{"name":"x"}}]}`, `{"model":"\u0061","x":{"model":1}}`,
		`{"model":"a","Model":"b"}`, `{"mod\u0065l":"a"}`, ` {"a":"\\","model":"\"","stream" : false}`, `[]`, `{"max_tokens":1e3}`, `{"model":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := read(string(text))
		if err != nil {
			return
		}
		var asMap map[string]json.RawMessage
		if err := json.Unmarshal(text, &asMap); err != nil {
			t.Fatalf("accepted %q, encoding/json: %v", text, err)
		}
		var asStruct struct {
			Model     json.RawMessage `json:"model"`
			MaxTokens json.RawMessage `json:"max_tokens"`
			Stream    json.RawMessage `json:"stream"`
			Tools     json.RawMessage `json:"tools"`
		}
		if err := json.Unmarshal(text, &asStruct); err != nil {
			t.Fatalf("accepted %q, encoding/json: %v", text, err)
		}
		fields := map[string]json.RawMessage{
			"model": asStruct.Model, "max_tokens": asStruct.MaxTokens, "stream": asStruct.Stream, "tools": asStruct.Tools}
		for name, raw := range fields {
			value, has := got[name]
			if has != (raw != nil) || has != (asMap[name] != nil) || value != string(raw) || value != string(asMap[name]) {
				t.Fatalf("%s of %q is %q, encoding/json reads %q and %q", name, text, value, raw, asMap[name])
			}
			same(t, text, value)
		}
	})
}

// same reads the value as each type by both.
func same(t *testing.T, text []byte, raw string) {
	v := strict.Value{Raw: []byte(raw)}
	if s, err := v.Text(); err == nil {
		var other string
		if json.Unmarshal(v.Raw, &other) != nil || other != s {
			t.Fatalf("%q in %q: %q and %q", raw, text, s, other)
		}
	}
	if n, err := v.Count(); err == nil {
		var other int64
		if json.Unmarshal(v.Raw, &other) != nil || other != n {
			t.Fatalf("%q in %q: %d and %d", raw, text, n, other)
		}
	}
	if b, err := v.Bool(); err == nil {
		var other bool
		if json.Unmarshal(v.Raw, &other) != nil || other != b {
			t.Fatalf("%q in %q: %v and %v", raw, text, b, other)
		}
	}
	if v.IsArray() {
		var mine []json.RawMessage
		if err := v.Items(func(item strict.Value) error { mine = append(mine, item.Raw); return nil }); err != nil {
			t.Fatal(err)
		}
		var other []json.RawMessage
		if err := json.Unmarshal(v.Raw, &other); err != nil || len(mine) != len(other) || len(mine) > 0 && !reflect.DeepEqual(mine, other) {
			t.Fatalf("%q in %q: %q and %q", raw, text, mine, other)
		}
	}
}
