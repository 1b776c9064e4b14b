package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/audit"
)

var _ = Describe("What is no request", func() {
	// talk sends bytes on one connection and reads the answers to its end.
	talk := func(w *world, sent string) (answers []reply) {
		GinkgoHelper()
		c, err := net.Dial("tcp", w.addr)
		Expect(err).NotTo(HaveOccurred())
		defer c.Close()
		Expect(c.SetDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
		_, err = io.WriteString(c, sent)
		Expect(err).NotTo(HaveOccurred())
		for in := bufio.NewReader(c); ; {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				return answers
			}
			body, err := io.ReadAll(resp.Body)
			Expect(err).NotTo(HaveOccurred())
			answers = append(answers, reply{resp, string(body)})
		}
	}
	good := func(w *world) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer coder-token\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			chatPath, w.addr, len(chat), chat)
	}

	It("is refused in the gate's own words and recorded, once for a connection", func() {
		m := newModel(answers)
		w := newWorld(m.address(), nil)
		got := talk(w, "GET / HTTP/1.1\r\nX: coder-token\r\n\r\n")
		Expect(got).To(HaveLen(1))
		Expect(got[0].StatusCode).To(Equal(400))
		Expect(got[0].body).To(ContainSubstring("refused by mirrorgate: the head of the request is malformed: missing required Host header (request " + got[0].id() + ")"))
		Expect(got[0].Header).To(And(HaveKeyWithValue("X-Mirrorgate-Decision", []string{"Refused"}), HaveKeyWithValue("Content-Type", []string{"application/json"})))
		Expect(got[0].Close).To(BeTrue())
		Expect(w.book.all()).To(ConsistOf(And(HaveField("Kind", audit.KindDecision), HaveField("Decision", audit.Refused), HaveField("Reason", "BadHead"),
			HaveField("Stage", 1), HaveField("Status", 400), HaveField("Gate", "front"), HaveField("Request", got[0].id()),
			HaveField("Peer", HavePrefix("127.0.0.1:")), HaveField("Text", "missing required Host header"), HaveField("Snapshot", BeEquivalentTo(1)))))
		Expect(w.server.Counts().Gates).To(ConsistOf(And(HaveField("Requests", BeEquivalentTo(1)), HaveField("Refused", BeEquivalentTo(1)))))

		got = talk(w, strings.Repeat("GARBAGE\r\n\r\n", 2000))
		Expect(len(got)).To(BeNumerically("<=", 1))
		Expect(w.book.all()).To(HaveLen(2), "a connection makes one record, however much it sends")
	})

	It("is told to a client that still sends an enormous head", func() {
		m := newModel(answers)
		w := newWorld(m.address(), nil)
		got := talk(w, "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 70<<10))
		Expect(got).To(HaveLen(1))
		Expect(got[0].StatusCode).To(Equal(431))
		Expect(got[0].reason()).To(Equal("HeadTooLarge"))
		Expect(w.book.of(got[0].id())).To(HaveLen(1))
	})

	It("ends a connection whose requests before it are answered, each as itself", func() {
		m := newModel(answers)
		w := newWorld(m.address(), nil)
		got := talk(w, good(w)+good(w)+"GET / HTTP/3.0\r\n\r\n"+good(w))
		Expect(got).To(HaveLen(3))
		Expect([]int{got[0].StatusCode, got[1].StatusCode, got[2].StatusCode}).To(Equal([]int{200, 200, 505}))
		Expect(got[2].reason()).To(Equal("BadVersion"))
		Expect(got[1].body).To(MatchJSON(answer))
		Eventually(w.book.all).Should(HaveLen(5), "two decisions, two outcomes, and one refusal")
		Expect(m.calls()).To(Equal(2))
	})

	It("is nothing where a client says nothing, and half a head where it goes in the middle of one", func() {
		m := newModel(answers)
		w := newWorld(m.address(), nil)
		for n, sent := range []string{"", "GET / HTT"} {
			c, err := net.Dial("tcp", w.addr)
			Expect(err).NotTo(HaveOccurred())
			_, err = io.WriteString(c, sent)
			Expect(err).NotTo(HaveOccurred())
			Expect(c.(*net.TCPConn).CloseWrite()).To(Succeed())
			_, _ = io.Copy(io.Discard, c) // to the gate's end
			c.Close()
			Expect(w.book.all()).To(HaveLen(n))
		}
	})
})
