package main

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = DescribeTable("historyStep", func(since time.Duration, steps int, want time.Duration) {
	Expect(historyStep(since, steps)).To(Equal(want))
},
	Entry("a minute in many steps", time.Minute, 100, time.Second),
	Entry("an hour in a minute each", time.Hour, 60, time.Minute),
	Entry("an hour in odd steps", time.Hour, 50, 72*time.Second),
	Entry("twelve hours in steps of whole minutes", 12*time.Hour, 100, 8*time.Minute),
	Entry("two days in no finer ones", 48*time.Hour, 1000, 3*time.Minute),
	Entry("a month in quarters of an hour", 720*time.Hour, 1000, 45*time.Minute),
	Entry("a month as a whole", 720*time.Hour, 1, 720*time.Hour),
)
