//go:build linux

package main

import (
	"os"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The key of sessions", func() {
	It("is made once, for gates that begin at once too, and stays", func() {
		path := GinkgoT().TempDir() + "/session.key"
		var all sync.WaitGroup
		keys := make([][]byte, 8)
		for i := range keys {
			all.Go(func() {
				defer GinkgoRecover()
				key, err := sessionKey(path)
				Expect(err).NotTo(HaveOccurred())
				keys[i] = key
			})
		}
		all.Wait()
		Expect(keys).To(HaveEach(And(HaveLen(32), Equal(keys[0]))))
		Expect(sessionKey(path)).To(Equal(keys[0]))
		info, err := os.Stat(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(BeEquivalentTo(0o600))
	})

	It("is replaced when it is cut, and told when it cannot be had", func() {
		dir := GinkgoT().TempDir()
		Expect(os.WriteFile(dir+"/session.key", []byte("half"), 0o600)).To(Succeed())
		key, err := sessionKey(dir + "/session.key")
		Expect(err).NotTo(HaveOccurred())
		Expect(os.ReadFile(dir + "/session.key")).To(Equal(key))
		_, err = sessionKey(dir + "/none/session.key")
		Expect(err).To(MatchError(ContainSubstring("cannot make the key of sessions")))
		Expect(os.ReadDir(dir)).To(HaveLen(1), "nothing is left over")
	})
})
