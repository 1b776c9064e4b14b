package patient_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy/patient"
)

// counted counts how often a deadline is set.
type counted struct {
	net.Conn
	sets int
}

func (c *counted) SetReadDeadline(t time.Time) error {
	c.sets++
	return c.Conn.SetReadDeadline(t)
}

func pair(t *testing.T) (c *patient.Conn, below *counted, other net.Conn) {
	g := NewWithT(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	other, err = net.Dial("tcp", l.Addr().String())
	g.Expect(err).NotTo(HaveOccurred())
	in, err := l.Accept()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { other.Close(); in.Close() })
	below = &counted{Conn: in}
	return patient.New(below), below, other
}

func in(d time.Duration) time.Time { return time.Now().Add(d) }

func TestReadEndsWhenItWasToldTo(t *testing.T) {
	g := NewWithT(t)
	c, _, other := pair(t)
	g.Expect(c.SetReadDeadline(in(20 * time.Millisecond))).To(Succeed())
	g.Expect(c.SetReadDeadline(in(60 * time.Millisecond))).To(Succeed()) // the timer of the first comes, and is none
	began := time.Now()
	_, err := c.Read(make([]byte, 1))
	g.Expect(err).To(MatchError(os.ErrDeadlineExceeded))
	g.Expect(time.Since(began)).To(BeNumerically(">=", 55*time.Millisecond))

	g.Expect(c.SetReadDeadline(time.Time{})).To(Succeed(), "after it came")
	_, err = other.Write([]byte("a"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Read(make([]byte, 1))).To(Equal(1))
}

func TestReadGoesOnWhenItsDeadlineMoved(t *testing.T) {
	for _, to := range []time.Time{{}, in(time.Hour)} {
		g := NewWithT(t)
		c, below, other := pair(t)
		g.Expect(c.SetReadDeadline(in(10 * time.Millisecond))).To(Succeed())
		g.Expect(c.SetReadDeadline(to)).To(Succeed())
		g.Expect(below.sets).To(Equal(1))
		time.AfterFunc(40*time.Millisecond, func() { _, _ = other.Write([]byte("a")) })
		g.Expect(c.Read(make([]byte, 1))).To(Equal(1))
		g.Expect(below.sets).To(Equal(2), "when the first came")
	}
}

func TestADeadlineThatComesNearerEndsAReadThatWaits(t *testing.T) {
	for _, near := range []time.Time{time.Unix(1, 0), in(10 * time.Millisecond)} {
		g := NewWithT(t)
		c, below, other := pair(t)
		g.Expect(c.SetReadDeadline(in(time.Hour))).To(Succeed())
		ended := make(chan error)
		go func() {
			_, err := c.Read(make([]byte, 1))
			ended <- err
		}()
		g.Expect(c.SetReadDeadline(near)).To(Succeed())
		g.Eventually(ended).Should(Receive(MatchError(os.ErrDeadlineExceeded)))
		g.Expect(c.SetReadDeadline(in(time.Hour))).To(Succeed())
		g.Expect(c.SetReadDeadline(in(2 * time.Hour))).To(Succeed())
		g.Expect(c.SetReadDeadline(time.Time{})).To(Succeed())
		_, err := other.Write([]byte("a"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(c.Read(make([]byte, 1))).To(Equal(1))
		g.Expect(below.sets).To(BeNumerically("<=", 4))
	}
}

func TestWriteGoesOnWhereItStopped(t *testing.T) {
	g := NewWithT(t)
	c, _, other := pair(t)
	big := make([]byte, 16<<20)
	for i := range big {
		big[i] = byte(i % 251)
	}
	g.Expect(c.SetWriteDeadline(in(20 * time.Millisecond))).To(Succeed())
	g.Expect(c.SetWriteDeadline(in(time.Hour))).To(Succeed())
	read := make(chan []byte)
	time.AfterFunc(60*time.Millisecond, func() { // the timer came in the middle of the write
		all, _ := io.ReadAll(other)
		read <- all
	})
	g.Expect(c.Write(big)).To(Equal(len(big)))
	g.Expect(c.Close()).To(Succeed())
	g.Expect(c.CloseWrite()).To(MatchError(errors.ErrUnsupported))
	g.Expect(string(<-read) == string(big)).To(BeTrue())
}

func TestWriteEndsWhenItWasToldTo(t *testing.T) {
	g := NewWithT(t)
	c, _, _ := pair(t)
	g.Expect(c.SetWriteDeadline(time.Unix(1, 0))).To(Succeed())
	_, err := c.Write([]byte("a"))
	g.Expect(err).To(MatchError(os.ErrDeadlineExceeded))
}

func TestWhatIsBelowHasNoDeadline(t *testing.T) {
	g := NewWithT(t)
	c, _, other := pair(t)
	g.Expect(c.SetDeadline(in(10 * time.Millisecond))).To(Succeed())
	g.Expect(c.SetDeadline(time.Time{})).To(Succeed())
	raw := c.Below()
	time.AfterFunc(40*time.Millisecond, func() { _, _ = other.Write([]byte("a")) })
	g.Expect(raw.Read(make([]byte, 1))).To(Equal(1))
}
