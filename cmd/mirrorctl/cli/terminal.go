package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// isTerminal tells whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// The colours of output, by what they mean.
const (
	red    = "31"
	yellow = "33"
	green  = "32"
	dim    = "2"
)

// paint colours s for w where that is wanted.
func paint(w io.Writer, colourCode, s string) string {
	if !colour(w) || s == "" {
		return s
	}
	return "\x1b[" + colourCode + "m" + s + "\x1b[0m"
}
