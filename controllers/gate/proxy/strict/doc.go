// Package strict reads JSON that two readers must not read differently: the gate that decides, and the backend that acts. What it accepts has
// one meaning. Refused are duplicate names at any depth, names that differ from one the gate looks at by case only, invalid UTF-8, anything
// after the value, and nesting deeper than [MaxDepth].
//
// It never writes JSON anew. What the gate changes is cut in at its place ([Apply]), and all other bytes stay as they were validated.
package strict
