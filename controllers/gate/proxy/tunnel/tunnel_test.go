package tunnel_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"mirroros.dev/mirroros/controllers/gate/proxy/tunnel"
)

func TestTunnel(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "tunnel", cfg, rep)
}

var _ = BeforeEach(func() {
	before := gleak.Goroutines()
	DeferCleanup(func() { Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before)) })
})

// connection is both sides of one over TCP.
func connection() (near, far *net.TCPConn) {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	n, err := net.Dial("tcp", l.Addr().String())
	Expect(err).NotTo(HaveOccurred())
	f, err := l.Accept()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { n.Close(); f.Close() })
	return n.(*net.TCPConn), f.(*net.TCPConn)
}

type result struct {
	moved tunnel.Moved
	err   error
}

// opaque hides what a connection is, as one with TLS does.
type opaque struct{ net.Conn }

func (o opaque) CloseWrite() error { return o.Conn.(*net.TCPConn).CloseWrite() }

// noHalf can only be closed whole.
type noHalf struct{ net.Conn }

// join makes client ─ a ═ b ─ server.
func join(ctx context.Context, early string, idle time.Duration, wrap func(net.Conn) net.Conn) (client, server *net.TCPConn, done chan result) {
	client, a := connection()
	b, server := connection()
	done = make(chan result, 1)
	go func() {
		m, err := tunnel.Join(ctx, tunnel.End{Conn: wrap(a), Early: []byte(early)}, tunnel.End{Conn: wrap(b)}, idle)
		done <- result{m, err}
	}()
	return client, server, done
}

func plain(c net.Conn) net.Conn  { return c }
func hidden(c net.Conn) net.Conn { return opaque{c} }

var _ = Describe("Join", func() {
	for name, wrap := range map[string]func(net.Conn) net.Conn{"of TCP": plain, "of others": hidden} {
		Context(name, func() {
			It("moves what each says, and counts it", func() {
				client, server, done := join(context.Background(), "he", time.Minute, wrap)
				client.Write([]byte("llo"))
				buf := make([]byte, 5)
				io.ReadFull(server, buf)
				Expect(string(buf)).To(Equal("hello"))
				server.Write([]byte("yes"))
				io.ReadFull(client, buf[:3])
				client.Close()
				server.Close()
				Expect(<-done).To(Equal(result{tunnel.Moved{AToB: 5, BToA: 3}, nil}))
			})

			It("keeps one direction when the other has ended", func() {
				client, server, done := join(context.Background(), "", 0, wrap)
				client.Write([]byte("question"))
				client.CloseWrite()
				Expect(io.ReadAll(server)).To(BeEquivalentTo("question"))
				server.Write([]byte("answer"))
				server.CloseWrite()
				Expect(io.ReadAll(client)).To(BeEquivalentTo("answer"))
				Expect((<-done).err).NotTo(HaveOccurred())
			})

			It("moves much, both ways at once", func() {
				client, server, done := join(context.Background(), "", time.Minute, wrap)
				seed := uint64(GinkgoRandomSeed())
				big := make([]byte, 8<<20)
				rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(big)
				for _, c := range []*net.TCPConn{client, server} {
					go func() { c.Write(big); c.CloseWrite() }()
				}
				other := make(chan []byte)
				go func() { b, _ := io.ReadAll(server); other <- b }()
				got, err := io.ReadAll(client)
				Expect(err).NotTo(HaveOccurred())
				Expect(bytes.Equal(got, big)).To(BeTrue())
				Expect(bytes.Equal(<-other, big)).To(BeTrue())
				Expect(<-done).To(Equal(result{tunnel.Moved{AToB: 8 << 20, BToA: 8 << 20}, nil}))
			})

			It("ends when nothing moves, and not while one side speaks", func() {
				client, server, done := join(context.Background(), "", 50*time.Millisecond, wrap)
				buf := make([]byte, 1)
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for range 20 { // 200 ms in one direction alone
					<-tick.C
					_, err := server.Write([]byte("."))
					Expect(err).NotTo(HaveOccurred())
					_, err = io.ReadFull(client, buf)
					Expect(err).NotTo(HaveOccurred())
				}
				Expect((<-done).err).To(MatchError(tunnel.ErrIdle))
				Expect(io.ReadAll(client)).To(BeEmpty(), "closed, not reset")
			})

			It("ends when one side does not read, and nothing moves any more", func() {
				client, _, done := join(context.Background(), "", 50*time.Millisecond, wrap)
				go func() { client.Write(make([]byte, 64<<20)) }()
				Expect((<-done).err).To(MatchError(tunnel.ErrIdle))
			})

			It("ends with its context, and says so to both sides", func() {
				ctx, cancel := context.WithCancelCause(context.Background())
				client, server, done := join(ctx, "", 0, wrap)
				why := errors.New("revoked")
				cancel(why)
				Expect((<-done).err).To(MatchError(why))
				for _, c := range []*net.TCPConn{client, server} {
					_, err := c.Read(make([]byte, 1))
					Expect(err).To(HaveOccurred())
				}
			})

			It("passes a reset on", func() {
				client, server, done := join(context.Background(), "", 0, wrap)
				server.SetLinger(0)
				server.Close()
				Expect((<-done).err).To(HaveOccurred())
				_, err := client.Read(make([]byte, 1))
				Expect(err).To(HaveOccurred())
			})
		})
	}

	It("ends whole when a connection cannot be half closed", func() {
		client, server, done := join(context.Background(), "", 0, func(c net.Conn) net.Conn { return noHalf{c} })
		client.Write([]byte("bye"))
		client.CloseWrite()
		Expect(io.ReadAll(server)).To(BeEquivalentTo("bye"))
		Expect(<-done).To(Equal(result{tunnel.Moved{AToB: 3}, nil}))
	})
})

func BenchmarkJoin(b *testing.B) {
	RegisterTestingT(b)
	pipe := func() (net.Conn, net.Conn) {
		l, _ := net.Listen("tcp", "127.0.0.1:0")
		defer l.Close()
		n, _ := net.Dial("tcp", l.Addr().String())
		f, _ := l.Accept()
		return n, f
	}
	client, a := pipe()
	z, server := pipe()
	go tunnel.Join(context.Background(), tunnel.End{Conn: a}, tunnel.End{Conn: z}, time.Minute)
	go io.Copy(io.Discard, server)
	buf := make([]byte, 256<<10)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		client.Write(buf)
	}
	client.Close()
	server.Close()
}
