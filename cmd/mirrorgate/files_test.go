package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
)

func TestFilesAreTakenUpTogether(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	write := func(name, text string) {
		g.Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(Succeed())
	}
	var seen [][4]int64 // numbers that were put in force, call by call
	var refuse int64    // a number of a config
	var proven []bool   // of each config, whether it was in force before
	apply := func(c *proxy.Config, e *proxy.Endpoints, i *proxy.Identities, b *ledger.Config) error {
		if c != nil && c.Number == refuse {
			return errors.New("it does not compile")
		}
		call := [4]int64{}
		if b != nil {
			call[3] = b.Number
		}
		if c != nil {
			proven = append(proven, c.Proven)
			call[0] = c.Number
		}
		if e != nil {
			call[1] = e.Number
		}
		if i != nil {
			call[2] = i.Number
		}
		seen = append(seen, call)
		return nil
	}
	f := &files{dir: dir, loaded: map[string][]byte{}}
	write(proxy.ConfigFile, `{"number":1}`)
	write(proxy.EndpointsFile, `{"number":1}`)
	write(proxy.IdentitiesFile, `{"number":1}`)
	g.Expect(f.load(apply)).To(Succeed())
	g.Expect(f.load(apply)).To(Succeed(), "nothing changed")
	write(proxy.ConfigFile, `{"number":2}`)
	write(proxy.EndpointsFile, `{"number":2}`)
	write(ledger.ConfigFile, `{"number":1}`)
	g.Expect(f.load(apply)).To(Succeed())
	g.Expect(seen).To(Equal([][4]int64{{1, 1, 1, 0}, {2, 2, 0, 1}}))
	g.Expect(f.identities.Number).To(BeEquivalentTo(1))
	g.Expect(os.ReadFile(filepath.Join(dir, proxy.ConfigFile+goodSuffix))).To(BeEquivalentTo(`{"number":2}`))

	again := &files{dir: dir, loaded: map[string][]byte{}}
	g.Expect(again.load(apply)).To(Succeed())
	g.Expect(proven).To(Equal([]bool{false, false, true}), "another gate may trust what was in force")
	seen = seen[:2]

	refuse = 3
	write(proxy.ConfigFile, `{"number":3}`)
	write(proxy.IdentitiesFile, `{"number":2}`)
	write(proxy.EndpointsFile, `{"number":`)
	g.Expect(f.load(apply)).To(MatchError(And(ContainSubstring("does not compile"), ContainSubstring(proxy.EndpointsFile))))
	g.Expect(seen[2:]).To(Equal([][4]int64{{0, 0, 2, 0}}), "what is broken keeps nothing else back")
	g.Expect(f.config.Number).To(BeEquivalentTo(2))
}
