// Package specs is the API of the operator: the kinds that an owner declares and the operator reports, with their defaults,
// validation, schema, and loading from YAML with the place of every fault.
package specs
