package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// world is what the files of a host declare: the last argument of each process.
type world struct {
	*host
	r        *rand.Rand
	declared map[string]string
	n        int
}

func (w *world) name() string { return fmt.Sprintf("p%d", w.r.IntN(8)) }

func (w *world) save(name string) {
	w.n++
	w.declared[name] = strconv.Itoa(w.n)
	w.write(name+".yaml", process(name, []string{"run", strconv.Itoa(w.n)}, "restartBackoff: {initial: 50ms, max: 100ms}"))
}

func (w *world) drop(name string) {
	if w.declared[name] != "" {
		delete(w.declared, name)
		w.remove(name + ".yaml")
	}
}

// crash kills one workload, if there is one.
func (w *world) crash() {
	pids := slices.Sorted(maps.Values(w.pids()))
	if len(pids) > 0 {
		_ = syscall.Kill(int(pids[w.r.IntN(len(pids))]), syscall.SIGKILL) // it may be ending by itself
	}
}

// step does one thing that a bad day holds.
func (w *world) step() {
	switch n := w.r.IntN(100); {
	case n < 45:
		w.save(w.name())
	case n < 60:
		w.drop(w.name())
	case n < 70:
		w.write("bad.yaml", head+"  comand: [x]\n")
	case n < 80:
		_ = os.Remove(w.manifests + "/bad.yaml")
	case n < 90:
		w.crash()
	case n < 98:
		w.killOperator()
	default:
		i := w.info()
		kill(i.GuardianPID)
		w.again(i.PID)
	}
}

// running lists the workloads that there are on the host, by what their arguments say, not by what the operator does.
func (w *world) running() []string {
	found := []string{}
	for _, pid := range w.ours() {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if f := bytes.Split(args, []byte{0}); alive(pid) && string(f[0]) == bin+"/workload" {
			found = append(found, string(f[2]))
		}
	}
	slices.Sort(found)
	return found
}

var _ = Describe("any order of edits, crashes and kills", func() {
	It("ends with what the files declare, once each; and then a restart of the operator writes nothing", func() {
		seed := uint64(GinkgoRandomSeed())
		By(fmt.Sprintf("seed %d", seed))
		w := &world{host: newHost(), r: rand.New(rand.NewPCG(seed, 0)), declared: map[string]string{}}
		w.write("stack.yaml", stack("home", "prune: {maxDeletePercent: 100}"))
		w.save("keep")
		w.start()
		for range 40 {
			w.step()
		}
		_ = os.Remove(w.manifests + "/bad.yaml")
		want := slices.Sorted(maps.Values(w.declared))
		Eventually(w.running).Should(Equal(want))
		w.ready()
		Eventually(func() int { return len(w.instances()) }).Should(Equal(len(want)))
		Consistently(w.running).Should(Equal(want))

		before, pids := w.versions(), w.pids()
		Expect(syscall.Kill(w.info().PID, syscall.SIGTERM)).To(Succeed())
		Eventually(w.done).Should(BeClosed())
		w.start()
		w.ready()
		w.write("last.yaml", process("last", []string{"run", "last"}))
		w.pidOf("last")
		after := w.versions()
		maps.DeleteFunc(before, func(n, v string) bool { return n == "stacks/home" || after[n] == v })
		Expect(before).To(BeEmpty(), "written without need")
		Expect(same(pids, w.pids())).To(Equal(len(pids)))
	})
})
