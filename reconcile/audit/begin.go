package audit

import (
	"bufio"
	"os"
)

// beginning reads the first record of a chain.
func beginning(path string) (*note, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	return parseNote(line)
}
