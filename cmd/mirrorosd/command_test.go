package main

import (
	"os"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

var _ = Describe("The flags", func() {
	It("have defaults for what is not given", func() {
		o := options{Manifests: "m", LogFormat: "console"}
		Expect(o.complete()).To(Succeed())
		Expect(o.Manifests).To(HavePrefix("/"))
		Expect(o.State).To(HaveSuffix("/mirroros"))
		Expect(o.Run).NotTo(BeEmpty())
	})

	DescribeTable("are refused with a word that helps", func(o options, word string) {
		Expect(o.complete()).To(MatchError(ContainSubstring(word)))
	},
		Entry("no manifests", options{}, "--manifests"),
		Entry("an address that others reach", options{Manifests: "m", LogFormat: "json", Listen: "0.0.0.0:7443"}, "loopback only"),
		Entry("an address without a port", options{Manifests: "m", LogFormat: "json", Listen: "127.0.0.1"}, "127.0.0.1:7443"),
		Entry("a port that is none", options{Manifests: "m", LogFormat: "json", Listen: "127.0.0.1:99999"}, "not a port"),
		Entry("a log format that is none", options{Manifests: "m", LogFormat: "xml"}, "console or json"),
	)

	It("are those that README.md shows", func() {
		text, err := os.ReadFile("../../README.md")
		Expect(err).NotTo(HaveOccurred())
		lines := regexp.MustCompile("mirrorosd (?:install )?--[^`\n&#]+").FindAllString(string(text), -1)
		Expect(lines).NotTo(BeEmpty())
		for _, line := range lines {
			cmd, rest, err := newCommand().Find(strings.Fields(line)[1:])
			Expect(err).NotTo(HaveOccurred(), line)
			Expect(cmd.ParseFlags(rest)).To(Succeed(), line)
		}
	})

	It("refuse a log level that is none", func() {
		_, err := newLog("json", "loud")
		Expect(err).To(MatchError(ContainSubstring("debug, info, warn or error")))
	})
})

var _ = Describe("The lineage of a process", func() {
	It("is its parent and its session", func() {
		parent, session, err := lineage(os.Getpid())
		Expect(err).NotTo(HaveOccurred())
		Expect(parent).To(Equal(os.Getppid()))
		own, err := unix.Getsid(0) // 0 where the session's leader is outside of this pid namespace
		Expect(err).NotTo(HaveOccurred())
		Expect(session).To(Equal(own))
	})

	It("is an error for a process that is not there", func() {
		_, _, err := lineage(1 << 30)
		Expect(err).To(HaveOccurred())
	})
})
