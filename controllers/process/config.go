package process

import "mirroros.dev/mirroros/specs"

// configChange tells what the changes of config files since they were read ask for: the strongest of them.
func (r *Reconciler) configChange(s *specs.ProcessSpec, dir string, im *instanceMemory) specs.ConfigChangePolicy {
	var out specs.ConfigChangePolicy
	for i := range s.ConfigFiles {
		c := &s.ConfigFiles[i]
		path := absolute(dir, c.Path)
		now := r.files.digest(path)
		was, ok := im.config[path]
		if !ok { // declared since the start: what it is now is what counts
			im.config = withDigest(im.config, path, now)
			continue
		}
		if now == was || now == noFile {
			continue
		}
		switch c.OnChange {
		case specs.ConfigChangeRestart, "":
			return specs.ConfigChangeRestart
		case specs.ConfigChangeReload:
			out = specs.ConfigChangeReload
		}
	}
	return out
}

// withDigest is a copy of the map with one entry more: what is remembered is replaced, never changed.
func withDigest(m map[string]string, path, digest string) map[string]string {
	out := make(map[string]string, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	out[path] = digest
	return out
}

// configDigests of all config files as they are now.
func (r *Reconciler) configDigests(s *specs.ProcessSpec, dir string) map[string]string {
	if len(s.ConfigFiles) == 0 {
		return nil
	}
	out := make(map[string]string, len(s.ConfigFiles))
	for i := range s.ConfigFiles {
		path := absolute(dir, s.ConfigFiles[i].Path)
		out[path] = r.files.digest(path)
	}
	return out
}
