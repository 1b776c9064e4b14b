package expr

// Counts tells whether an evaluation counts its costs, up to the limit.
func (p *Program) Counts() bool { return p.costly }
