package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/audit"
)

// refused reads a request of the corpus: its first line is the status and the reason. The head follows with lines as usual, and after a blank line the body as it is. \xHH is a byte; {{host}} is the gate's address, {{length}} the length of
// the body, {{sum}} the SHA-256 of a token, {{N}} N letters.
func refused(path, host string) (status int, reason string, raw []byte) {
	GinkgoHelper()
	text, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	first, rest, _ := strings.Cut(string(text), "\n")
	_, err = fmt.Sscanf(first, "%d %s", &status, &reason)
	Expect(err).NotTo(HaveOccurred())
	head, body, _ := strings.Cut(rest, "\n\n")
	head = strings.ReplaceAll(head, "\n", "\r\n")
	body = bytesOf(body)
	head = strings.NewReplacer("{{host}}", host, "{{length}}", strconv.Itoa(len(body)), "{{sum}}", sum("coder-token")).Replace(bytesOf(head))
	return status, reason, []byte(head + "\r\n\r\n" + body)
}

var (
	escapes = regexp.MustCompile(`\\\\|\\x[0-9a-f]{2}`)
	letters = regexp.MustCompile(`\{\{[0-9]+\}\}`)
)

func bytesOf(s string) string {
	s = letters.ReplaceAllStringFunc(s, func(m string) string {
		n, _ := strconv.Atoi(m[2 : len(m)-2])
		return strings.Repeat("a", n)
	})
	return escapes.ReplaceAllStringFunc(s, func(m string) string {
		if m == `\\` {
			return `\`
		}
		n, _ := strconv.ParseUint(m[2:], 16, 8)
		return string([]byte{byte(n)})
	})
}

var _ = Describe("The requests that must be refused", Ordered, func() {
	It("are refused, each with its status and reason and one record, and nothing reaches a backend", func() {
		m := newModel(answers)
		w := newWorld(m.address(), nil)
		files, err := filepath.Glob("testdata/refused/*.txt")
		Expect(err).NotTo(HaveOccurred())
		Expect(len(files)).To(BeNumerically(">", 100))
		var faults []string
		for _, path := range files {
			status, reason, raw := refused(path, w.addr)
			calls := m.calls()
			resp := w.raw(raw)
			got := fmt.Sprint(resp.StatusCode)
			for _, r := range w.book.of(resp.id()) { // what follows on the connection is another request
				got += fmt.Sprintf(" %s %s", r.Reason, r.Decision)
				if strings.Contains(fmt.Sprint(r)+resp.body, "coder-token") {
					got += " and tells a token"
				}
			}
			want := fmt.Sprintf("%d %s %s", status, reason, audit.Refused)
			if got != want || m.calls() > calls {
				faults = append(faults, fmt.Sprintf("%s: %s, must be %s; %d calls of the backend", filepath.Base(path), got, want, m.calls()-calls))
			}
		}
		Expect(faults).To(BeEmpty())
		Expect(w.ask(chat).StatusCode).To(Equal(200), "what is good is still served")
	})
})

// raw sends bytes and reads an answer.
func (w *world) raw(b []byte) reply {
	GinkgoHelper()
	c, err := net.Dial("tcp", w.addr)
	Expect(err).NotTo(HaveOccurred())
	defer c.Close()
	Expect(c.SetDeadline(time.Now().Add(5 * time.Second))).To(Succeed())
	_, err = c.Write(b)
	Expect(err).NotTo(HaveOccurred())
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	Expect(err).NotTo(HaveOccurred())
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return reply{resp, string(body)}
}
