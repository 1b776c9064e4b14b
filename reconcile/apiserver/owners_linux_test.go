package apiserver_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/apiserver"
)

var _ = DescribeTable("A socket in the kernel's table", func(line, local, remote, inode string) {
	head := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	got, uid := apiserver.FindSocket(strings.NewReader(head+line), local, remote)
	Expect(got).To(Equal(inode))
	if inode != "" {
		Expect(uid).To(Equal(1000))
	}
},
	Entry("by IPv4", "   1: 0100007F:C350 0100007F:1D13 01 00000000:00000000 00:00000000 00000000  1000        0 4242 1", "127.0.0.1:50000", "127.0.0.1:7443", "4242"),
	Entry("with its ends the other way round", "   1: 0100007F:1D13 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 4242 1", "127.0.0.1:50000", "127.0.0.1:7443", ""),
	Entry("by IPv6", "   1: 00000000000000000000000001000000:C350 00000000000000000000000001000000:1D13 01 00000000:00000000 00:00000000 00000000  1000        0 77 1", "[::1]:50000", "[::1]:7443", "77"),
	Entry("by IPv4 through a socket for IPv6", "   1: 0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:1D13 01 00000000:00000000 00:00000000 00000000  1000        0 78 1", "127.0.0.1:50000", "127.0.0.1:7443", "78"),
	Entry("that nobody holds any more", "   1: 0100007F:C350 0100007F:1D13 06 00000000:00000000 00:00000000 00000000  1000        0 0 1", "127.0.0.1:50000", "127.0.0.1:7443", ""),
	Entry("in a broken line", "   1: 0100:C350 :1D13 06 0 0 0 0 0 0 0", "127.0.0.1:50000", "127.0.0.1:7443", ""),
)
