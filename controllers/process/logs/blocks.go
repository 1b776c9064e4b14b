package logs

import "bytes"

// read reads a block of data before end and moves on. Holes are passed over, and the NULs beside them, which are what a hole
// leaves in the blocks at its edges. What the window moved past while it was read is dropped.
func (r *reader) read(end int64) (at int64, b []byte, err error) {
	n := min(int64(readSize), end-r.pos)
	if int64(len(r.block)) < n {
		r.block = make([]byte, n) // most are asked for a few lines of a small log
	}
	if n == readSize {
		n -= (r.pos + n) % blockSize
	}
	at = r.pos
	got, err := readAt(r.fd, r.block[:n], at)
	if err != nil {
		return at, nil, err
	}
	if got == 0 { // truncated meanwhile
		r.pos = end
		return at, nil, nil
	}
	b = r.block[:got]
	if start := r.start(); start > at {
		r.pos = min(start, end)
		return at, nil, r.overtaken()
	}
	r.pos = at + int64(got)
	if r.zeros || bytes.IndexByte(b, 0) >= 0 {
		b = r.withoutHoles(at, b, end)
	}
	return r.pos - int64(len(b)), b, nil
}

// overtaken ends the line that the window moved past.
func (r *reader) overtaken() error {
	if err := r.flush(true); err != nil {
		return err
	}
	r.skip = !r.isMark(r.pos)
	return nil
}

// withoutHoles cuts a block, which is the last one before pos, down to data.
func (r *reader) withoutHoles(at int64, b []byte, end int64) []byte {
	limit := at + int64(len(b))
	size := end
	if is, err := stat(r.fd); err == nil {
		size = is.size
	}
	hole := nextHole(r.fd, at, size)
	if data := nextData(r.fd, at, end); hole == at && data > at {
		r.pos, r.zeros = data, true
		return nil
	}
	if hole > at && hole <= limit && hole < size {
		b = bytes.TrimRight(b[:hole-at], "\x00")
		r.pos = at + int64(len(b))
		if r.zeros {
			b = bytes.TrimLeft(b, "\x00")
		}
		r.zeros = len(b) == 0 && r.zeros
		return r.stepOver(b, hole)
	}
	if r.zeros {
		b = bytes.TrimLeft(b, "\x00")
		r.zeros = len(b) == 0
	}
	return b
}

// stepOver goes to a hole right behind b when there is nothing of b left to pass.
func (r *reader) stepOver(b []byte, hole int64) []byte {
	if len(b) == 0 {
		r.pos, r.zeros = hole, true
	}
	return b
}

// lineStart looks backwards from hi for the nth end of a line and returns where the line after it starts; lo when there are
// fewer. The end of a run ends a line.
func (r *reader) lineStart(lo, hi int64, n int) int64 {
	buf := make([]byte, max(0, min(readSize, hi-lo)))
	var data []extent
	k := len(r.marks)
	for pos := hi; pos > lo; {
		for k > 0 && r.marks[k-1].off >= pos {
			k--
		}
		from := max(lo, (pos-1)&^(readSize-1))
		if k > 0 {
			from = max(from, r.marks[k-1].off)
		}
		got, err := readAt(r.fd, buf[:pos-from], from)
		if err != nil || int64(got) < pos-from {
			return lo
		}
		b := buf[:got]
		if pos < hi && b[got-1] != '\n' && r.isMark(pos) {
			if n--; n == 0 {
				return pos
			}
		}
		for i := bytes.LastIndexByte(b, '\n'); i >= 0; i = bytes.LastIndexByte(b[:i], '\n') {
			if n--; n == 0 {
				return from + int64(i) + 1
			}
		}
		pos = from
		if b[0] == 0 && len(bytes.TrimLeft(b, "\x00")) == 0 { // perhaps a huge hole
			if data == nil {
				data = extents(r.fd, lo, hi)
			}
			pos = lastData(data, pos, lo)
		}
	}
	return lo
}

// endsLine tells whether the byte before to ends a line; nothing at all does.
func (r *reader) endsLine(from, to int64) bool {
	var b [1]byte
	if from >= to {
		return true
	}
	n, err := readAt(r.fd, b[:], to-1)
	return err != nil || n == 0 || b[0] == '\n'
}

// hasNewline tells whether a line ends in a range.
func (r *reader) hasNewline(from, to int64) bool {
	buf := make([]byte, readSize)
	for from < to {
		n, err := readAt(r.fd, buf[:min(readSize, to-from)], from)
		if err != nil || n == 0 {
			return false
		}
		if bytes.IndexByte(buf[:n], '\n') >= 0 {
			return true
		}
		from += int64(n)
		if buf[n-1] == 0 {
			from = nextData(r.fd, from, to)
		}
	}
	return false
}

// extent is a range with data.
type extent struct{ from, to int64 }

// extents lists the data of a range.
func extents(fd int, lo, hi int64) []extent {
	out := []extent{}
	for pos := lo; pos < hi; {
		from := nextData(fd, pos, hi)
		if from >= hi {
			break
		}
		to := nextHole(fd, from, hi)
		if to <= from {
			to = hi
		}
		out = append(out, extent{from, to})
		pos = to
	}
	return out
}

// lastData is the end of the last data at or before pos.
func lastData(data []extent, pos, lo int64) int64 {
	for i := len(data) - 1; i >= 0; i-- {
		if data[i].from < pos {
			return min(pos, data[i].to)
		}
	}
	return lo
}
