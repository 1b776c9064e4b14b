package process

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who a program runs as.
type account struct {
	uid, gid   uint32
	name, home string
	// credential is nil when it is the operator's own.
	credential *syscall.Credential
}

// ownAccount is who the operator runs as, by the user database and never by its environment.
func ownAccount() account {
	return lookupAccount(strconv.Itoa(os.Geteuid()), uint32(os.Geteuid()), uint32(os.Getegid()))
}

// lookupAccount finds a user by number; one that the database does not have has its number for a name and / for a home.
func lookupAccount(id string, uid, gid uint32) account {
	a := account{uid: uid, gid: gid, name: id, home: "/"}
	if u, err := user.LookupId(id); err == nil {
		a.name, a.home = u.Username, u.HomeDir
	}
	return a
}

// credential resolves user and group, with the user's supplementary groups.
func (v *resolver) credential(userName, groupName string) (account, *fault) {
	who := v.self
	if userName == "" && groupName == "" {
		return who, nil
	}
	groups, f := who.switchUser(userName)
	if f != nil {
		return who, f
	}
	if groupName != "" {
		gid, f := groupID(groupName)
		if f != nil {
			return who, f
		}
		who.gid = gid
	}
	if who.uid == v.self.uid && who.gid == v.self.gid {
		return who, nil
	}
	if v.self.uid != 0 {
		return who, cannot("", "the operator runs as %s, not as root, and cannot start a program as user %q group %q", v.self.name, userName, groupName)
	}
	who.credential = &syscall.Credential{Uid: who.uid, Gid: who.gid, Groups: groups}
	return who, nil
}

// switchUser makes it another user, with that user's group.
func (a *account) switchUser(name string) (groups []uint32, f *fault) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if n, numErr := strconv.ParseUint(name, 10, 32); err != nil && numErr == nil {
		if u, err = user.LookupId(name); err != nil {
			*a = account{uid: uint32(n), gid: uint32(n), name: name, home: "/"}
			return nil, nil
		}
	}
	if err != nil {
		return nil, cannot("/etc/passwd", "no user %q", name)
	}
	*a = account{uid: number(u.Uid), gid: number(u.Gid), name: u.Username, home: u.HomeDir}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, cannot("/etc/group", "the groups of user %q: %s", name, err)
	}
	for _, id := range ids {
		groups = append(groups, number(id))
	}
	return groups, nil
}

func groupID(name string) (uint32, *fault) {
	if g, err := user.LookupGroup(name); err == nil {
		return number(g.Gid), nil
	}
	n, err := strconv.ParseUint(name, 10, 32)
	if err != nil {
		return 0, cannot("/etc/group", "no group %q", name)
	}
	return uint32(n), nil
}

func number(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32) // the user database has numbers here on every system that this runs on
	return uint32(n)
}

func (v *resolver) stateDirectory(name string) string { return filepath.Join(v.stateDir, "data", name) }

// makeStateDirectory makes a directory that only the program's user can enter. The directories above it let that user through,
// no further: what else is in them is the owner's alone.
func (v *resolver) makeStateDirectory(path string, as *syscall.Credential) *fault {
	data := filepath.Dir(path)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return cannot("", "cannot make the state directory %q: %s", path, plain(err))
	}
	if as != nil {
		for _, d := range []string{filepath.Dir(data), data} {
			if info, err := os.Stat(d); err == nil && info.Mode().Perm()&0o011 != 0o011 {
				_ = os.Chmod(d, info.Mode().Perm()|0o011) // the program tells when it cannot get in
			}
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !os.IsExist(err) {
		return cannot("", "cannot make the state directory %q: %s", path, plain(err))
	}
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return cannot(path, "the state directory %q is not a directory", path)
	}
	uid, gid := v.self.uid, v.self.gid
	if as != nil {
		uid, gid = as.Uid, as.Gid
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && (st.Uid != uid || st.Gid != gid) {
		if err := os.Lchown(path, int(uid), int(gid)); err != nil {
			return cannot(path, "cannot give the state directory %q to user %d: %s", path, uid, plain(err))
		}
	}
	if info.Mode().Perm() != 0o700 {
		if err := os.Chmod(path, 0o700); err != nil {
			return cannot(path, "cannot close the state directory %q: %s", path, plain(err))
		}
	}
	return nil
}
