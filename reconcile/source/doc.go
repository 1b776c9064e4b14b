// Package source watches the directory of manifests and gives it as immutable Snapshots. It knows files, not what is in them.
//
// What it promises:
//   - A write is a new Snapshot at once, without a delay for a change that stands alone. A burst (a checkout of 500 files) gives a
//     few Snapshots, spaced a little, the last of which has everything.
//   - Only what changed is looked at: after the first scan an event costs one stat and one read. A file that is the same is the
//     same *File. The whole tree is looked at again when the kernel lost events, and every Resync, as the safety net.
//   - A file that somebody still has open for writing, or that was just made empty, is not read yet: its last content stays for
//     as long as OpenWindow. Nothing is taken for removed because a directory, or the root, cannot be read.
//   - What a symbolic link leads to is looked at again when it changes, or a link, a directory below the root, or its own directory on
//     the way. Outside the root, a directory further up that is renamed is seen at the next Resync.
//   - Reading never blocks: pipes and devices are not opened, large files are not read, loops of links are cut.
//   - While git is at work in the tree nothing is read; the moment it ends everything that changed is. What was read while git was at
//     work after all, because it began meanwhile, is read again before it is given. git's own files are only read, never written, and
//     git itself runs after the Snapshot, never before it.
//   - When nothing changes nothing runs, but for the one timer of Resync.
package source
