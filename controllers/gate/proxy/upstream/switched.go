package upstream

import (
	"net"

	"mirroros.dev/mirroros/controllers/gate/proxy/patient"
)

// Switched is a connection that speaks another protocol now.
type Switched struct {
	conn  net.Conn
	early []byte
}

// Detach gives the connection, and what was already read from it. It is then the caller's to close.
func (s *Switched) Detach() (c net.Conn, early []byte) {
	if p, ok := s.conn.(*patient.Conn); ok {
		if plain, ok := p.Below().(counting); ok {
			return plain.TCPConn, s.early
		}
	}
	return s.conn, s.early
}

// Read gives what was already read first.
func (s *Switched) Read(p []byte) (int, error) {
	if len(s.early) > 0 {
		n := copy(p, s.early)
		s.early = s.early[n:]
		return n, nil
	}
	return s.conn.Read(p)
}

func (s *Switched) Write(p []byte) (int, error) { return s.conn.Write(p) }

// Close ends the connection.
func (s *Switched) Close() error { return s.conn.Close() }
