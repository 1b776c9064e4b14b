package probe_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/probe"
)

var _ = DescribeTable("A Counter",
	func(outcomes string, success, failure int, want string) {
		var c probe.Counter
		got := ""
		for _, o := range outcomes {
			var v probe.Verdict
			c, v = c.Add(o == '+', success, failure)
			Expect(c.Verdict()).To(Equal(v))
			got += map[probe.Verdict]string{probe.Undecided: "?", probe.Healthy: "H", probe.Unhealthy: "U"}[v]
		}
		Expect(got).To(Equal(want))
	},
	Entry("decides at once with thresholds of one", "+-+", 1, 1, "HUH"),
	Entry("is undecided until a threshold is reached", "--+-", 1, 3, "??HH"),
	Entry("fails at the third failure in a row", "+--+---", 1, 3, "HHHHHHU"),
	Entry("recovers at the second success in a row", "---+-++", 2, 3, "??UUUUH"),
	Entry("stays undecided while nothing lasts", "+-+-+-", 2, 2, "??????"),
	Entry("counts thresholds below one as one", "+-", 0, -1, "HU"),
)
