package probe_test

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/probe"
)

// healthServer speaks gRPC over unencrypted HTTP/2: it answers each request message with what answer makes of it.
func healthServer(answer func(msg []byte) (status string, out []byte)) int {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/grpc.health.v1.Health/Check" || r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" || len(body) < 5 {
			w.Header().Set("Grpc-Status", "12")
			return
		}
		status, out := answer(body[5:])
		if out != nil {
			_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(out))), out...))
		}
		w.Header().Set("Grpc-Status", status)
		if status != "0" {
			w.Header().Set("Grpc-Message", "no%20such%20service")
		}
	}))
	s.Config.Protocols = &http.Protocols{}
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	DeferCleanup(s.Close)
	return portOf(s.URL)
}

func check(g probe.GRPC) probe.Result {
	return probe.Probe{GRPC: &g, Timeout: 2 * time.Second}.Run(context.Background())
}

var _ = Describe("GRPC", func() {
	DescribeTable("understands the answer",
		func(status string, out []byte, want probe.Status, text string) {
			port := healthServer(func([]byte) (string, []byte) { return status, out })
			r := check(probe.GRPC{Port: port})
			Expect(r.Status).To(Equal(want))
			Expect(r.Output).To(ContainSubstring(text))
		},
		Entry("serving", "0", []byte{8, 1}, probe.Success, ""),
		Entry("not serving", "0", []byte{8, 2}, probe.Failure, "NOT_SERVING"),
		Entry("service unknown", "0", []byte{8, 3}, probe.Failure, "SERVICE_UNKNOWN"),
		Entry("no field at all is unknown", "0", []byte{}, probe.Failure, "UNKNOWN"),
		Entry("a status from the future", "0", []byte{8, 77}, probe.Failure, "serving status 77"),
		Entry("fields that we do not know are passed over", "0", []byte{18, 2, 'h', 'i', 25, 1, 2, 3, 4, 5, 6, 7, 8, 37, 1, 2, 3, 4, 24, 7, 8, 1}, probe.Success, ""),
		Entry("a message that is cut", "0", []byte{18, 9, 'h'}, probe.Failure, "cannot read"),
		Entry("an endless number", "0", []byte{8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, probe.Failure, "cannot read"),
		Entry("a call that fails", "5", nil, probe.Failure, `gRPC status "5": no such service`),
		Entry("no message although all is well", "0", nil, probe.Failure, "cannot read"),
	)

	It("names the service, also a long one", func() {
		name := string(make([]byte, 0, 300))
		for len(name) < 300 {
			name += "chat.v1."
		}
		got := make(chan []byte, 2)
		port := healthServer(func(msg []byte) (string, []byte) { got <- msg; return "0", []byte{8, 1} })
		Expect(check(probe.GRPC{Port: port, Service: name}).Status).To(Equal(probe.Success))
		Expect(<-got).To(Equal(append([]byte{10, byte(len(name)&0x7f | 0x80), byte(len(name) >> 7)}, name...)))
		Expect(check(probe.GRPC{Port: port}).Status).To(Equal(probe.Success))
		Expect(<-got).To(BeEmpty())
	})

	It("tells a server that does not speak gRPC", func() {
		port := serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
		Expect(check(probe.GRPC{Port: port}).Status).To(Equal(probe.Failure))
		Expect(check(probe.GRPC{Port: closedPort()}).Output).To(ContainSubstring("connection refused"))
	})
})
