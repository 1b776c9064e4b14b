package cli

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// kernelFiles makes a directory with files as a cgroup has them.
func kernelFiles(files map[string]string) string {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	for name, text := range files {
		Expect(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)).To(Succeed())
	}
	return dir
}

var _ = DescribeTable("the cgroup of an instance's own", func(path, want string) {
	Expect(ownPart(path, "web-abc-0")).To(Equal(want))
},
	Entry("is the one of its name and attempt", "/mirroros-1/web-abc-0.3", "/mirroros-1/web-abc-0.3"),
	Entry("is above what the program made below it", "/mirroros-1/web-abc-0.3/worker", "/mirroros-1/web-abc-0.3"),
	Entry("is not another instance's", "/mirroros-1/web-abc-01.3", ""),
	Entry("is not one of no attempt", "/mirroros-1/web-abc-0.service", ""),
	Entry("may not be there", "/user.slice", ""),
)

var _ = Describe("what a cgroup counts", func() {
	v2 := map[string]string{
		"cpu.stat":     "usage_usec 2000000\nuser_usec 1\nnr_periods 20\nnr_throttled 5\n",
		"cgroup.procs": "10\n11\n", "below/cgroup.procs": "12\n",
	}
	It("is read in version 2, with the groups below it", func() {
		files := map[string]string{"memory.current": "3000\n", "memory.peak": "5000\n", "memory.stat": "anon 1\ninactive_file 1000\n",
			"io.stat": "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n"}
		for k, v := range v2 {
			files[k] = v
		}
		r := groupDirs{"": kernelFiles(files)}.read(true)
		Expect(r).To(Equal(groupReading{usec: 2000000, periods: 20, throttled: 5, memory: 2000, peak: 5000, read: 11, written: 22, members: []int{10, 11, 12}}))
	})
	It("is read in version 1 where its controllers are there", func() {
		memory := kernelFiles(map[string]string{"memory.usage_in_bytes": "3000\n", "memory.max_usage_in_bytes": "5000\n", "memory.stat": "total_inactive_file 500\n"})
		cpu := kernelFiles(map[string]string{"cpu.stat": "nr_periods 10\nnr_throttled 9\n"})
		r := groupDirs{"": kernelFiles(v2), "memory": memory, "cpu": cpu}.read(true)
		Expect(r).To(Equal(groupReading{usec: 2000000, periods: 10, throttled: 9, memory: 2500, peak: 5000, read: -1, written: -1, members: []int{10, 11, 12}}))
	})
	It("is told as what was used in between", func() {
		m := &meter{list: make([]specs.Instance, 1), groups: []groupDirs{{"": "/x"}}}
		before := reading{io: make([]map[int][2]int64, 1), groups: []groupReading{{usec: 1_000_000, periods: 10, throttled: 2, memory: 1, read: 100, written: 0}}}
		after := reading{io: make([]map[int][2]int64, 1), groups: []groupReading{{usec: 1_500_000, periods: 20, throttled: 7, memory: 2000, peak: 5000, read: 300, written: 50}}}
		u := m.between(before, after, 0.5)[0]
		Expect([]float64{u.CPU, u.Throttled, u.Read, u.Written}).To(Equal([]float64{100, 50, 400, 100}))
		Expect([]int64{u.Memory, u.Peak}).To(Equal([]int64{2000, 5000}))
	})
})
