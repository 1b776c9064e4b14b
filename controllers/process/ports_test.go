package process

import (
	"fmt"
	"net"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

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
		t := &ports{holder: map[int32]string{}}
		_, f := t.take("web-h-0", []specs.ProcessPort{{Name: "http", Port: n}}, nil, func(int32) bool { return false })
		Expect(f).NotTo(BeNil())
		Expect(f.Message).To(ContainSubstring(fmt.Sprintf("port %d (http) is in use by ", n)))
		Expect(l.Close()).To(Succeed())
		_, f = t.take("web-h-0", []specs.ProcessPort{{Name: "http", Port: n}}, nil, func(int32) bool { return false })
		Expect(f).To(BeNil())
		_, f = t.take("other-h-0", []specs.ProcessPort{{Name: "http", Port: n}}, nil, func(int32) bool { return false })
		Expect(f.Message).To(ContainSubstring("instance web-h-0"))
	})

	It("never gives two instances one port, and leaves fixed ones to those who declare them", func() {
		t := &ports{holder: map[int32]string{}}
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
