package cli

import (
	"os"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = Describe("the line of /proc/PID/stat", func() {
	It("is read past a name that holds brackets", func() {
		line := "12 (a) b) c) S 1 12 12 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 100 1000 2 18446744073709551615 0 0"
		s, err := parseStat(12, []byte(line))
		Expect(err).NotTo(HaveOccurred())
		Expect(s).To(Equal(procStat{pid: 12, parent: 1, session: 12, state: 'S', ticks: 300, threads: 3, rss: 2 * int64(os.Getpagesize())}))
	})
	It("is refused when it is short", func() {
		_, err := parseStat(12, []byte("12 (a) S 1 12"))
		Expect(err).To(HaveOccurred())
	})
})

var _ = Describe("the processes of instances", func() {
	It("are those of its session and those that descend from it", func() {
		stats := map[int]procStat{
			10: {parent: 1, session: 10}, 11: {parent: 10, session: 10}, 12: {parent: 11, session: 12}, 13: {parent: 1, session: 10},
			20: {parent: 1, session: 20}, 21: {parent: 20, session: 20, state: 'Z'}, 30: {parent: 1, session: 30},
		}
		list := make([]specs.Instance, 2)
		list[0].Status.PID, list[1].Status.PID = 10, 20
		Expect(ownersOf(stats, list)).To(Equal(map[int]int{10: 0, 11: 0, 12: 0, 13: 0, 20: 1}))
	})
})

var _ = Describe("the credentials of a process", func() {
	It("are the effective ids and all groups", func() {
		c, err := parseCredential("Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n")
		Expect(err).NotTo(HaveOccurred())
		Expect(c).To(Equal(&syscall.Credential{Uid: 2, Gid: 6, Groups: []uint32{9, 10}}))
	})
	It("are not guessed", func() {
		_, err := parseCredential("Name:\tx\nGid:\t5\t6\t7\t8\n")
		Expect(err).To(HaveOccurred())
	})
})

var _ = DescribeTable("a systemd unit",
	func(text, level, says string) {
		f := checkUnit("u", text)
		Expect(f.Level).To(Equal(level))
		Expect(f.Text).To(ContainSubstring(says))
	},
	Entry("as install writes it", "[Service]\nKillMode=process\n# c=d\nDelegate=yes\nOOMPolicy=continue\nTasksMax=infinity\n", levelOK, "KillMode=process"),
	Entry("with the default KillMode", "[Service]\nDelegate=yes\n", levelFail, "KillMode=(none)"),
	Entry("not delegated", "KillMode=process\nDelegate=no\n", levelFail, "Delegate"),
	Entry("with the default OOMPolicy", "KillMode=process\nDelegate=cpu memory\n", levelWarn, "OOMPolicy"),
	Entry("mended by a drop-in", "KillMode=mixed\nDelegate=yes\nOOMPolicy=continue\nTasksMax=infinity\n\nKillMode=process\n", levelOK, ""),
)
