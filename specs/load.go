package specs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	k8sjson "sigs.k8s.io/json"
)

// MaxFileBytes is the largest file that Load reads. A larger one is a fault.
const MaxFileBytes = 10 << 20

// maxFileFaults bounds the faults told of one file.
const maxFileFaults = 500

// maxDocuments bounds the documents of one file.
const maxDocuments = 100_000

// Load reads the documents of a manifest: strictly typed, defaulted and validated, each by itself. It gives every document with
// content, those with faults without an Object, and all faults at once in the order of their places (of a file that is nothing but
// faults, the first 500, and a word that there are more). It never panics, and its time is bounded whatever data holds. A file of many
// documents is read on several processors.
func Load(file string, data []byte) ([]*Document, []Fault) {
	if f, bad := unreadable(file, data); bad {
		return nil, []Fault{f}
	}
	parts := split(bytes.TrimPrefix(data, utf8BOM))
	if len(parts) > maxDocuments {
		return nil, []Fault{{File: file, Line: parts[maxDocuments].line, Message: fmt.Sprintf("the file has more than %d documents", maxDocuments)}}
	}
	docs, faults := make([]*Document, len(parts)), make([][]Fault, len(parts))
	var told atomic.Int64
	each(len(parts), func(i int) {
		docs[i] = &Document{File: file, Line: parts[i].line, Text: parts[i].text}
		if told.Load() < 2*maxFileFaults {
			faults[i] = docs[i].load()
			told.Add(int64(len(faults[i])))
		}
	})
	all := slices.Concat(faults...)
	if len(all) > maxFileFaults {
		all = append(all[:maxFileFaults:maxFileFaults], Fault{File: file, Line: all[maxFileFaults].Line, Message: "there are more faults from here on"})
	}
	return docs, all
}

// each calls fn for 0 to n-1, and returns when all calls have: one after the other where there are few, else on all processors.
func each(n int, fn func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n/16)
	if workers < 2 {
		for i := range n {
			fn(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	wg.Wait()
}

// Decode reads one object from JSON as strictly as Load does, without defaults and validation.
func Decode(data []byte) (Object, error) {
	k, err := kindOfJSON(data)
	if err != nil {
		return nil, err
	}
	o := k.New()
	strict, err := k8sjson.UnmarshalStrict(data, o)
	if err != nil {
		return nil, err
	}
	return o, errors.Join(strict...)
}

// kindOfJSON finds the kind that an object says it has.
func kindOfJSON(data []byte) (*Kind, error) {
	for _, k := range Kinds { // sorted keys come first, and most objects have them sorted
		if bytes.HasPrefix(data, jsonHeads()[k]) {
			return k, nil
		}
	}
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	k := KindOf(head.Kind)
	if k == nil || k.APIVersion() != head.APIVersion {
		return nil, fmt.Errorf("cannot decode kind %q of %q: %s", head.Kind, head.APIVersion, knownKinds())
	}
	return k, nil
}

// jsonHeads are how the JSON of each kind begins, with sorted keys and no spaces.
var jsonHeads = sync.OnceValue(func() map[*Kind][]byte {
	heads := map[*Kind][]byte{}
	for _, k := range Kinds {
		heads[k] = fmt.Appendf(nil, `{"apiVersion":%q,"kind":%q,"metadata":{`, k.APIVersion(), k.Kind)
	}
	return heads
})
