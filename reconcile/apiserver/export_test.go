package apiserver

// Judge is judge for a server whose user is own: a test cannot become other users.
func (s *Server) Judge(own, uid, pid int, alive bool) (who, refusal string) {
	s.uid = own
	c, refusal := s.judge(uid, pid, func() bool { return alive })
	return c.name, refusal
}
