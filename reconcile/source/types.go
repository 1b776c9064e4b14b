package source

import (
	"time"
)

// Digest is the SHA-256 of a file's content.
type Digest [32]byte

// File is one manifest file as it was read.
type File struct {
	// Rel is its path below the root, with slashes.
	Rel string
	// Data is its content; shared, not to be changed. Nil when Err is set.
	Data []byte
	// Digest of Data.
	Digest Digest
	// Err says why it could not be read: permissions, too large, not a regular file, a symlink loop, others can write it.
	Err error
}

// Snapshot is the manifest directory at one moment. Snapshots are immutable; an unchanged file is the same *File in the next one.
type Snapshot struct {
	// Seq counts snapshots from 1.
	Seq uint64
	// Root that was read.
	Root string
	// Files by Rel.
	Files map[string]*File
	// Err is set when the root itself could not be read, or a directory below it: Files is then what was last seen there,
	// and nothing may be taken for removed.
	Err error
	// Changed is when the last change was seen, on the boot clock's own time line (time.Now with its monotonic reading).
	Changed time.Time
	// Hold is set while a git operation is under way: the files are those from before it. When it was under way already at the
	// start, Files is empty, and nothing may be taken for removed.
	Hold *Hold
	// Git is nil outside a work tree.
	Git *Git
	// Warnings are for the owner of the host: what keeps the source from seeing changes at once, and what to do; links not followed.
	Warnings []string
}

// Hold says why the source waits.
type Hold struct {
	// Reason: GitLocked, Merging, Rebasing, CherryPicking, Reverting.
	Reason string
	// Path of the file that says so, and since when it is there.
	Path  string
	Since time.Time
}

// Git is where the work tree stands.
type Git struct {
	// Commit that is checked out, in full; empty before the first commit.
	Commit string
	// Branch that is checked out; empty when detached.
	Branch string
	// Dirty: a manifest below the root differs from the commit, or is not in it. It follows a change a little later, in a
	// Snapshot of its own.
	Dirty bool
	// Err says why git could not be asked, such as a tree of another owner.
	Err error
}
