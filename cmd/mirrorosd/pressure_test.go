package main

import (
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = DescribeTable("DiskPressure", func(left room, err, failure error, reason, says string) {
	c := diskPressure("/state", left, err, failure)
	if reason == "" {
		Expect(c).To(BeNil())
		return
	}
	Expect(c.Reason).To(Equal(reason))
	Expect(c.Message).To(ContainSubstring(says))
},
	Entry("not while there is room", room{1 << 30, 100 << 30, 1000, 2000}, nil, nil, "", ""),
	Entry("not on a small disk with room", room{1 << 20, 2 << 20, 1000, 2000}, nil, nil, "", ""),
	Entry("not where files are not counted", room{1 << 30, 100 << 30, 0, 0}, nil, nil, "", ""),
	Entry("when the last write failed, whatever is left", room{1 << 30, 100 << 30, 1000, 2000}, nil, errors.New("no space"), specs.ReasonStateNotWritten, "no space"),
	Entry("when nothing can be told", room{}, errors.New("stale handle"), nil, specs.ReasonStateNotWritten, "stale handle"),
	Entry("when little is left of a big disk", room{63 << 20, 100 << 30, 1000, 2000}, nil, nil, specs.ReasonDiskNearlyFull, "64512 KiB left"),
	Entry("when little is left of a small disk", room{40 << 10, 1 << 20, 1000, 2000}, nil, nil, specs.ReasonDiskNearlyFull, "40 KiB left of 1024 KiB"),
	Entry("when no more files can be made", room{1 << 30, 100 << 30, 3, 2000}, nil, nil, specs.ReasonDiskNearlyFull, "3 more files"),
)
