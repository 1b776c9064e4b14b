package process

import (
	"fmt"
	"net"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/runner"
	. "mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("ports", func() {
	anyFree := func(int32) bool { return true }
	declared := []specs.ProcessPort{{Name: "http"}, {Name: "admin"}, {Name: "sql", Port: 5432}}

	It("chooses the same ports for the same name, all different and in range", func() {
		a, f := choosePorts("web-h-0", declared, nil, anyFree)
		Expect(f).To(BeNil())
		b, _ := choosePorts("web-h-0", declared, nil, anyFree)
		Expect(b).To(Equal(a))
		Expect(a[2].Port).To(BeEquivalentTo(5432))
		Expect(a[0].Port).To(And(BeNumerically(">=", firstPort), BeNumerically("<=", lastPort)))
		Expect(a[0].Port).NotTo(Equal(a[1].Port))
	})

	It("keeps what the instance had, unless somebody else has it now", func() {
		kept := []specs.InstancePort{{Name: "http", Port: 20007}}
		a, _ := choosePorts("web-h-0", declared, kept, anyFree)
		Expect(a[0].Port).To(BeEquivalentTo(20007))
		a, _ = choosePorts("web-h-0", declared, kept, func(n int32) bool { return n != 20007 })
		Expect(a[0].Port).NotTo(BeEquivalentTo(20007))
	})

	It("says so when none is free", func() {
		_, f := choosePorts("web-h-0", declared, nil, func(int32) bool { return false })
		Expect(f.Reason).To(Equal(specs.ReasonPortUnavailable))
	})

	It("says who has a fixed port", func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		defer l.Close()
		n := int32(l.Addr().(*net.TCPAddr).Port)
		t := newPorts(func(string) {})
		_, f := t.take("web-h-0", []specs.ProcessPort{{Name: "http", Port: n}}, nil, func(int32) bool { return false })
		Expect(f).NotTo(BeNil())
		Expect(f.Message).To(ContainSubstring(fmt.Sprintf("port %d (http) is in use by ", n)))
		Expect(l.Close()).To(Succeed())
		_, f = t.take("web-h-0", []specs.ProcessPort{{Name: "http", Port: n}}, nil, func(int32) bool { return false })
		Expect(f).To(BeNil())
		_, f = t.take("other-h-0", []specs.ProcessPort{{Name: "http", Port: n}}, nil, func(int32) bool { return false })
		Expect(f.Message).To(ContainSubstring("instance web-h-0"))
	})

	It("wakes who waits for a port when its instance gives it back, once", func() {
		var woken []string
		t := newPorts(func(process string) { woken = append(woken, process) })
		n := freePort()
		want := []specs.ProcessPort{{Name: "http", Port: n}}
		no := func(int32) bool { return false }
		_, f := t.take("old-h-0", want, nil, no)
		Expect(f).To(BeNil())
		for range 2 {
			_, f = t.take("new-h-0", want, nil, no)
			Expect([]any{f.Holder, f.Port}).To(Equal([]any{"old-h-0", n}))
		}
		t.release("another-h-0")
		Expect(woken).To(BeEmpty())
		t.release("old-h-0")
		Expect(woken).To(Equal([]string{"new"}))
		_, f = t.take("new-h-0", want, nil, no)
		Expect(f).To(BeNil())
		t.release("new-h-0")
		Expect(woken).To(HaveLen(1))
	})

	It("never gives two instances one port, and leaves fixed ones to those who declare them", func() {
		t := newPorts(func(string) {})
		seen := map[int32]bool{}
		for i := range 200 {
			list, f := t.take(fmt.Sprintf("p%d-h-0", i), []specs.ProcessPort{{Name: "http"}}, nil, func(n int32) bool { return n%2 == 0 })
			Expect(f).To(BeNil())
			Expect(seen[list[0].Port]).To(BeFalse())
			Expect(list[0].Port % 2).To(BeEquivalentTo(1))
			seen[list[0].Port] = true
		}
	})
})

var _ = Describe("a process with a fixed port", func() {
	var w *world
	BeforeEach(func() { w = newWorld(GinkgoTB()) })

	It("says that a port is in use, and starts once it is free", func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		defer l.Close()
		w.put(proc("web", func(p *specs.Process) {
			p.Spec.Ports = []specs.ProcessPort{{Name: "http", Port: int32(l.Addr().(*net.TCPAddr).Port)}}
		}))
		w.wait(10 * time.Second)
		Expect(w.process("web")).To(HaveCondition("Stalled", "True", "PortUnavailable"))
		Expect(l.Close()).To(Succeed())
		w.wait(time.Minute)
		Expect(w.process("web")).To(HaveCondition("Ready", "True", ""))
	})

	It("hands a port over when a process is renamed: the new one says whom it waits for, and starts the moment that the old one has ended", func() {
		port := specs.ProcessPort{Name: "http", Port: freePort()}
		fixed := func(p *specs.Process) { p.Spec.Ports = []specs.ProcessPort{port} }
		w.put(proc("old", fixed))
		w.wait(time.Minute)
		id := w.rt.live()[0]
		w.rt.stubborn = true
		w.apply(map[string]*specs.Process{"old": nil, "new": proc("new", fixed)})
		w.wait(10 * time.Second)
		Expect(w.rt.live()).To(Equal([]string{id}))
		Expect(w.process("new")).To(HaveCondition("Ready", "False", waitReplacing))
		Expect(w.process("new")).NotTo(HaveCondition("Stalled", "True", ""))
		Expect(w.instances("new")[0].Status.State.Waiting.Message).To(ContainSubstring("waits until instance " + id))
		w.rt.exit(id, runner.Exit{Known: true})
		w.drain() // and no time passes
		Expect(w.rt.live()).To(Equal([]string{w.instances("new")[0].Name}))
		Expect(w.instances("new")[0].Status.Ports).To(Equal([]specs.InstancePort{{Name: "http", Port: port.Port}}))
	})
})
