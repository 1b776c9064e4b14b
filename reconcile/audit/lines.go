package audit

import (
	"bufio"
	"errors"
	"io"
	"os"
)

// lines reads a file line by line.
type lines struct {
	f    *os.File
	r    *bufio.Reader
	long []byte
	// half is what is left at the end without a line break.
	half int
}

func openLines(path string) (*lines, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	size := 4 << 10
	if info, err := f.Stat(); err == nil {
		size = int(max(4<<10, min(256<<10, info.Size()+1)))
	}
	return &lines{f: f, r: bufio.NewReaderSize(f, size)}, nil
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, 64<<10)} }

// next answers the next line with its line break; it is good until the one after it is read. The end is io.EOF, also where half a line is.
func (l *lines) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if err == nil {
		return line, nil
	}
	l.long = append(l.long[:0], line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.r.ReadSlice('\n')
		l.long = append(l.long, line...)
		if len(l.long) > 8*maxRecord { // each byte of a record may take six
			return nil, errors.New("a line has no end")
		}
	}
	if err == io.EOF {
		l.half = len(l.long)
	}
	return l.long, err
}

func (l *lines) close() { _ = l.f.Close() }

func firstLine(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return newLines(f).next()
}

// beginning reads the first record of a chain.
func beginning(path string) (*note, error) {
	line, err := firstLine(path)
	if err != nil {
		return nil, err
	}
	return parseNote(line)
}
