package reconcile

import (
	"encoding/json"
	"fmt"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Codec keeps objects of every kind of specs.Kinds as JSON.
func Codec() store.Codec { return codec{} }

type codec struct{}

func (codec) Encode(o store.Object) ([]byte, error) { return json.Marshal(o) }

func (codec) Decode(kind string, b []byte) (store.Object, error) {
	k := specs.KindOf(kind)
	if k == nil {
		return nil, fmt.Errorf("unknown kind %q", kind)
	}
	o := k.New()
	if err := json.Unmarshal(b, o); err != nil {
		return nil, err
	}
	return o, nil
}
