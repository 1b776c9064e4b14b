//go:build linux

package sockets_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/sockets"
)

func TestSockets(t *testing.T) {
	RegisterFailHandler(Fail)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "sockets", cfg, rep)
}

// keeper keeps copies, as the guardian does.
type keeper struct {
	kept map[string]int
	fail error
}

func (k *keeper) Put(name string, fd int) error {
	if k.fail != nil {
		return k.fail
	}
	_ = k.Drop(name)
	n, err := syscall.Dup(fd)
	k.kept[name] = n
	return err
}

func (k *keeper) Drop(name string) error {
	if fd, ok := k.kept[name]; ok {
		syscall.Close(fd)
		delete(k.kept, name)
	}
	return k.fail
}

func answers(address string) error {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	c, err := net.Dial(network, address)
	if err == nil {
		c.Close()
	}
	return err
}

func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

var _ = Describe("a hub", Serial, func() {
	var (
		dir    string
		k      *keeper
		h      *sockets.Hub
		passed []string
	)
	open := func() {
		GinkgoHelper()
		o := sockets.Options{Keeper: k, Kept: map[string]int{}, Pass: func(name string) { passed = append(passed, name) }, Max: 5}
		for name, fd := range k.kept {
			n, err := syscall.Dup(fd)
			Expect(err).NotTo(HaveOccurred())
			o.Kept[name] = n
		}
		h, passed = sockets.Open(o), nil
	}
	BeforeEach(func() {
		dir, k = GinkgoT().TempDir(), &keeper{kept: map[string]int{}}
		open()
		DeferCleanup(func() {
			h.Close()
			for name := range k.kept {
				_ = k.Drop(name)
			}
		})
	})
	ensure := func(wanted map[string]string) map[string]string {
		GinkgoHelper()
		bound, faults := h.Ensure(wanted)
		Expect(faults).To(BeEmpty())
		return bound
	}
	fault := func(address string) string {
		GinkgoHelper()
		_, faults := h.Ensure(map[string]string{"a": address})
		Expect(faults).To(HaveLen(1))
		return faults["a"]
	}

	It("takes a door that was made elsewhere, keeps it until its start is over and then as long as it is wanted, and never makes one", func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		f, err := l.(*net.TCPListener).File()
		Expect(err).NotTo(HaveOccurred())
		at := l.Addr().String()
		Expect(l.Close()).To(Succeed())
		Expect(h.Admit("door", f)).To(Succeed())
		Expect(passed).To(Equal([]string{"door"}))
		ensure(map[string]string{"a": "127.0.0.1:0"})
		Expect(h.Names()).To(ContainElement("door"), "its instance is about to start")
		h.Settle("door")
		Expect(ensure(map[string]string{"door": sockets.Door})).To(HaveKeyWithValue("door", at))
		Expect(answers(at)).To(Succeed())
		h.Close()
		open()
		Expect(ensure(map[string]string{"door": sockets.Door})).To(HaveKeyWithValue("door", at), "the keeper had it")
		ensure(map[string]string{})
		Expect(answers(at)).To(MatchError(syscall.ECONNREFUSED))
		Expect(k.kept).To(BeEmpty())
		_, faults := h.Ensure(map[string]string{"door": sockets.Door})
		Expect(faults["door"]).To(ContainSubstring("next start"))
		Expect(h.Admit("none", os.NewFile(^uintptr(0), "none"))).NotTo(Succeed())
	})

	It("makes what is wanted, once, and drops what is not", func() {
		wanted := map[string]string{"a": "127.0.0.1:0", "b": "[::1]:0", "c": "unix:" + dir + "/c"}
		bound := ensure(wanted)
		Expect(passed).To(Equal([]string{"a", "b", "c"}))
		for _, a := range bound {
			Expect(answers(a)).To(Succeed())
		}
		i, err := os.Stat(dir + "/c")
		Expect(err).NotTo(HaveOccurred())
		Expect(i.Mode().Perm()).To(BeEquivalentTo(0o600))
		Expect(ensure(wanted)).To(Equal(bound))
		Expect(passed).To(HaveLen(3))
		Expect(k.kept).To(HaveLen(3))
		Expect(ensure(map[string]string{"b": "[::1]:0"})).To(HaveLen(1))
		Expect(answers(bound["a"])).To(MatchError(syscall.ECONNREFUSED))
		Expect(dir + "/c").NotTo(BeAnExistingFile())
		Expect(k.kept).To(HaveLen(1))
	})

	It("has again what was kept, also when nobody accepted meanwhile", func() {
		wanted := map[string]string{"a": "127.0.0.1:0", "c": "unix:" + dir + "/c"}
		bound := ensure(wanted)
		h.Close()
		Expect(answers(bound["a"])).To(Succeed())
		open()
		Expect(ensure(wanted)).To(Equal(bound))
		Expect(passed).To(BeEmpty())
		Expect(h.Names()).To(Equal([]string{"a", "c"}))
	})

	It("takes nothing for kept that does not listen", func() {
		f, err := os.Open(dir)
		Expect(err).NotTo(HaveOccurred())
		defer f.Close()
		k.kept["file"], err = syscall.Dup(int(f.Fd()))
		Expect(err).NotTo(HaveOccurred())
		open()
		Expect(h.Names()).To(BeEmpty())
	})

	It("moves to another address, the new before the old, and stays where it is when it cannot", func() {
		was := ensure(map[string]string{"a": "127.0.0.1:0"})["a"]
		now := ensure(map[string]string{"a": "127.0.0.2:0"})["a"]
		Expect(answers(was)).To(MatchError(syscall.ECONNREFUSED))
		l, err := net.Listen("tcp", "127.0.0.3:0")
		Expect(err).NotTo(HaveOccurred())
		defer l.Close()
		bound, faults := h.Ensure(map[string]string{"a": l.Addr().String()})
		Expect(bound).To(Equal(map[string]string{"a": now}))
		Expect(faults["a"]).To(MatchRegexp(`127.0.0.3:\d+ is in use by sockets.test \(pid %d\)`, os.Getpid()))
		Expect(answers(now)).To(Succeed())
	})

	It("moves between one address and all of them with the same port", func() {
		port := freePort()
		ensure(map[string]string{"a": "127.0.0.1:" + port})
		copied, ok := h.Copy("a") // a gate has it
		Expect(ok).To(BeTrue())
		defer copied.Close()
		bound := ensure(map[string]string{"a": "0.0.0.0:" + port})
		Expect(bound["a"]).To(Equal("0.0.0.0:" + port))
		Expect(answers("127.0.0.2:" + port)).To(Succeed())
		ensure(map[string]string{"a": "127.0.0.1:" + port})
		Expect(answers("127.0.0.2:" + port)).To(MatchError(syscall.ECONNREFUSED))
		Expect(answers("127.0.0.1:" + port)).To(Succeed())
	})

	It("gives a socket to the name that wants its address now", func() {
		bound := ensure(map[string]string{"a": "127.0.0.1:0"})
		copied, _ := h.Copy("a") // a gate has it: the address could not be had anew
		defer copied.Close()
		Expect(ensure(map[string]string{"b": bound["a"]})).To(Equal(map[string]string{"b": bound["a"]}))
		Expect(passed).To(Equal([]string{"a", "b"}))
		Expect(k.kept).To(And(HaveLen(1), HaveKey("b")))
		Expect(ensure(map[string]string{"a": bound["a"], "b": "127.0.0.2:0"})["a"]).To(Equal(bound["a"]))
	})

	It("says what is wrong with an address", func() {
		Expect(fault("localhost:1")).To(ContainSubstring("is no address"))
		Expect(fault("unix:" + dir + "/" + strings.Repeat("x", 100))).To(ContainSubstring("shorter --run"))
		Expect(fault("unix:" + dir + "/none/x")).To(ContainSubstring("no such file or directory"))
		Expect(fault("203.0.113.1:1")).To(ContainSubstring("cannot assign requested address"))
		Expect(os.WriteFile(dir+"/file", nil, 0o600)).To(Succeed())
		Expect(fault("unix:" + dir + "/file")).To(ContainSubstring("no socket"))
	})

	It("removes a unix socket that nobody listens at, and no other", func() {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
		Expect(err).NotTo(HaveOccurred())
		l.SetUnlinkOnClose(false)
		Expect(fault("unix:" + dir + "/s")).To(ContainSubstring("in use by another program"))
		l.Close()
		ensure(map[string]string{"a": "unix:" + dir + "/s"})
		Expect(answers("unix:" + dir + "/s")).To(Succeed())
	})

	It("holds so many and no more", func() {
		wanted := map[string]string{}
		for i := range 6 {
			wanted[fmt.Sprint(i)] = "127.0.0.1:0"
		}
		bound, faults := h.Ensure(wanted)
		Expect(bound).To(HaveLen(5))
		Expect(faults).To(HaveKeyWithValue("5", ContainSubstring("there are 5 sockets")))
	})

	It("goes on without a keeper that fails", func() {
		k.fail = errors.New("gone")
		bound := ensure(map[string]string{"a": "127.0.0.1:0"})
		Expect(answers(bound["a"])).To(Succeed())
		ensure(nil)
		k.fail = nil
	})

	Context("when a gate offers a socket", func() {
		offer := func(address string) string {
			GinkgoHelper()
			l, err := net.Listen("tcp", address)
			Expect(err).NotTo(HaveOccurred())
			defer l.Close()
			f, err := l.(*net.TCPListener).File()
			Expect(err).NotTo(HaveOccurred())
			h.Offer("a", f)
			return l.Addr().String()
		}
		wanted := map[string]string{"a": "127.0.0.1:0"}

		It("takes it instead of one of its own that nobody has", func() {
			ensure(wanted)
			at := offer("127.0.0.1:0")
			Expect(ensure(wanted)).To(Equal(map[string]string{"a": at}))
			Expect(k.kept).To(HaveLen(1))
		})
		It("takes it before anything is wanted", func() {
			at := offer("127.0.0.1:0")
			Expect(ensure(wanted)).To(Equal(map[string]string{"a": at}))
		})
		It("keeps its own that a gate has", func() {
			bound := ensure(wanted)
			f, _ := h.Copy("a")
			defer f.Close()
			at := offer("127.0.0.1:0")
			Expect(ensure(wanted)).To(Equal(bound))
			Expect(answers(at)).To(MatchError(syscall.ECONNREFUSED))
		})
		It("closes one that is not wanted, or is elsewhere", func() {
			ensure(nil)
			Expect(answers(offer("127.0.0.1:0"))).To(MatchError(syscall.ECONNREFUSED))
			ensure(map[string]string{"b": "127.0.0.1:0"})
			Expect(answers(offer("127.0.0.1:0"))).To(MatchError(syscall.ECONNREFUSED))
			ensure(wanted)
			Expect(answers(offer("127.0.0.2:0"))).To(MatchError(syscall.ECONNREFUSED))
		})
		It("closes what does not listen", func() {
			f, err := os.Open(dir)
			Expect(err).NotTo(HaveOccurred())
			h.Offer("a", f)
			Expect(f.Close()).To(MatchError(os.ErrClosed))
		})
	})

	It("hands all of them to what takes its place", func() {
		ensure(map[string]string{"a": "127.0.0.1:0", "b": "127.0.0.1:0"})
		why := errors.New("not now")
		Expect(h.Hand(func(all map[string]int) error {
			Expect(all).To(And(HaveLen(2), HaveKey("a"), HaveKey("b")))
			return why
		})).To(MatchError(why))
	})
})
