package cli

import (
	"io"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"
)

var _ = Describe("every verb", func() {
	var check func(v *cobra.Command)
	check = func(v *cobra.Command) {
		if v.Name() == "completion" || !v.Runnable() {
			return // cobra's own, and topics
		}
		Expect(v.Short).NotTo(BeEmpty(), v.Name())
		Expect(v.Short).NotTo(HaveSuffix("."), v.Name())
		Expect(v.Example).To(HavePrefix("  mirrorctl "), v.Name())
		Expect(v.ValidArgsFunction).NotTo(BeNil(), v.Name())
		for _, sub := range v.Commands() {
			check(sub)
		}
	}
	It("has a sentence, an example, and completion", func() {
		c := &command{Streams: Streams{Out: io.Discard, Err: io.Discard}, now: time.Now}
		root := c.root()
		Expect(len(root.Commands())).To(BeNumerically(">", 20))
		for _, v := range root.Commands() {
			check(v)
		}
	})
})
