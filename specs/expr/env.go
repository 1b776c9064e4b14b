package expr

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/ext"
)

// What an expression may cost. A unit is about one step of an evaluation, or ten bytes of text looked at.
const (
	// maxSource is the longest expression, in characters.
	maxSource = 8192
	// maxEstimate refuses an expression that would cost more on requests of usual size: a macro over a list in a macro over a list.
	maxEstimate = 2_000_000
	// maxCost ends an evaluation, whatever the request brings.
	maxCost = 1_000_000
	// maxRegexp bounds a compiled regular expression, in instructions.
	maxRegexp = 10_000
)

// environment is the one environment of all expressions. It takes some milliseconds to make, so that is left to the first who compiles.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.Variable("time", cel.TimestampType),
		cel.OptionalTypes(),
		ext.Strings(),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxSource),
		cel.ExpressionNodeLimit(maxSource),
		cel.RegexProgramSizeLimit(maxRegexp),
		cel.EnableHiddenAccumulatorName(true),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
	}
	for _, o := range objects {
		options = append(options, cel.Variable(o.name, o.typ))
	}
	options = append(options, cel.CustomTypeAdapter(adapter{}), func(e *cel.Env) (*cel.Env, error) {
		return cel.CustomTypeProvider(provider{e.CELTypeProvider()})(e)
	})
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("cannot make the environment of expressions: %w", err)
	}
	return env, nil
})

// usualSizes are what the estimate takes for the sizes of requests.
type usualSizes struct{}

func (usualSizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

func (usualSizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	if n.ComputedSize() != nil {
		return nil // what is known is not guessed
	}
	size := cost.RangedSizeEstimate(0, 1024)
	return &size
}
