package cli

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = DescribeTable("bar", func(part float64, want string) { Expect(bar(part, 4)).To(Equal(want)) },
	Entry("nothing", 0.0, "····"),
	Entry("next to nothing", 0.001, "▏···"),
	Entry("a half", 0.5, "██··"),
	Entry("a bit more", 0.55, "██▎·"),
	Entry("all", 1.0, "████"),
	Entry("more than all", 7.0, "████"),
	Entry("less than nothing", -1.0, "····"),
)

var _ = DescribeTable("sparkline", func(values []float64, want string) { Expect(sparkline(values)).To(Equal(want)) },
	Entry("no numbers", nil, ""),
	Entry("nothing", []float64{0, 0}, "··"),
	Entry("a slope", []float64{0, 1, 4, 8}, "·▂▅█"),
	Entry("one", []float64{3}, "█"),
)
