package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// hop is a name in a directory that decides where a path leads: a symbolic link on the way, a directory, or the end of it.
type hop struct{ dir, name string }

// maxLinks is the kernel's own limit.
const maxLinks = 40

// resolve follows an absolute path to where it really is, and tells what it depends on. The last hop is the end itself, or what is
// missing or no directory; the others are links, and the directories that are in one called inside. Other directories above a hop are
// not among them: to watch those is to wake up for whatever happens in /tmp or a home.
func resolve(path, inside string) (real string, hops []hop, err error) {
	real = "/"
	rest := strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			real = filepath.Dir(real)
			continue
		}
		at := filepath.Join(real, name)
		var st unix.Stat_t
		switch err := unix.Lstat(at, &st); {
		case err == unix.ENOTDIR: // what stands where a directory should be must change first
			return at, append(hops, hop{filepath.Dir(real), filepath.Base(real)}), err
		case err != nil:
			return at, append(hops, hop{real, name}), err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			if inside != "" && len(rest) > 0 && within(real, inside) {
				hops = append(hops, hop{real, name})
			}
			real = at
			continue
		}
		hops = append(hops, hop{real, name})
		if links++; links > maxLinks {
			return at, hops, unix.ELOOP
		}
		target, err := os.Readlink(at)
		if err != nil {
			return at, hops, err
		}
		if filepath.IsAbs(target) {
			real = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return real, append(hops, hop{filepath.Dir(real), filepath.Base(real)}), nil
}

// follow resolves a link of the tree, and tells what is at its end.
func (t *tree) follow(path string) (real string, hops []hop, st stamp, err error) {
	real, hops, err = resolve(path, t.real)
	if err == nil {
		st, err = stat(real)
	}
	return real, hops, st, err
}

// through tells whether one of the hops is in, or is, one of the directories.
func through(hops []hop, dirs []string) bool {
	return slices.ContainsFunc(hops, func(h hop) bool {
		at := filepath.Join(h.dir, h.name)
		return slices.ContainsFunc(dirs, func(dir string) bool { return within(at, dir) })
	})
}

// within tells whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}
