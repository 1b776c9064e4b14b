package ledger_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

// FuzzRecord decodes payloads: what can be read is written the same way again, but for numbers that had more bytes than they need.
func FuzzRecord(f *testing.F) {
	for _, s := range []string{"", "54020406080a0c0e10121416", "4304626f6f7405", "4707", "500161056167656e740101047465616d0178", "4b0161016701720173", "520102030405060161",
		"53010203040506", "580102", "4407", "5a01610172" + "06", "420101020103040506" + "07", "4503", "42ffffffffffffffffff01ff", "5001610161ffffffffffffffffff01"} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		once, err := ledger.Decode(payload)
		if err != nil {
			return
		}
		twice, err := ledger.Decode(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%x is written as %x and then as %x: %v", payload, once, twice, err)
		}
	})
}

// FuzzLog opens, reads and verifies a log file of any content behind the header: whoever opens it either refuses it, or finds it sound afterwards.
func FuzzLog(f *testing.F) {
	dir := f.TempDir()
	l, err := ledger.Open(ledger.Options{Dir: dir})
	if err != nil {
		f.Fatal(err)
	}
	if err := l.Configure(tree()); err != nil {
		f.Fatal(err)
	}
	oneCall(f, l, benchRequest(), false)
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "0000000001.log"))
	if err != nil {
		f.Fatal(err)
	}
	header := log[:24]
	f.Add(log[24:])
	f.Add(log[24:100])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, records []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "0000000001.log"), append(bytes.Clone(header), records...), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(ledger.Options{Dir: dir})
		if err != nil {
			return
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		found, err := ledger.Verify(dir, tree())
		if err != nil || len(found.Faults) > 0 || found.Torn > 0 {
			t.Fatalf("after it was opened: %+v, %v", found, err)
		}
	})
}
