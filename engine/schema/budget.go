package schema

import (
	"runtime"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A check costs steps: one for each time that a value is checked by a part of the schema, and one for each member and each
// alternative tried there. If alternatives refer to each other, their number doubles with each level of a document, so that
// a few hundred bytes could occupy a processor for hours. A check may take minSteps, and stepsPerValue more for each value
// of the document, which is enough for some hundred parts of a schema. A step takes less than a microsecond, and makes at
// most one fault of some 300 bytes.
const (
	minSteps      = 4_000
	stepsPerValue = 8
)

// errComplex is the fault of a document that took too many steps.
const errComplex = fault("it is too complex to be checked")

// meterURL is the vocabulary of the meter. It has no keywords.
const meterURL = base + "meter"

// checker is a compiled schema that counts its steps. It is used by one goroutine at a time.
type checker struct {
	compiled *jsonschema.Schema
	left     int // steps
}

// newChecker compiles a document that is known to be a schema.
func newChecker(document any) (*checker, error) {
	c := &checker{}
	compiler := newCompiler()
	compiler.AssertVocabs()
	compiler.RegisterVocabulary(&jsonschema.Vocabulary{
		URL: meterURL,
		Compile: func(ctx *jsonschema.CompilerContext, _ map[string]any) (jsonschema.SchemaExt, error) {
			c.meter(ctx.Enqueue(nil)) // the part that is being compiled
			return nil, nil
		},
	})
	var err error
	c.compiled, err = compile(compiler, ownURL, document)
	return c, err
}

// meter makes a part of the schema count steps. It does so in its format, which is checked before the parts inside; once the
// budget is used up, it refuses everything, so that the check ends.
func (c *checker) meter(part *jsonschema.Schema) {
	forms := 1 + len(part.AllOf) + len(part.AnyOf) + len(part.OneOf) + len(part.Dependencies) + len(part.DependentSchemas)
	each := 1 + len(part.PatternProperties)
	format := part.Format
	metered := &jsonschema.Format{Name: "meter"}
	if format != nil {
		metered.Name = format.Name
	}
	metered.Validate = func(value any) error {
		c.left -= forms + each*members(value)
		if c.left < 0 {
			return errComplex
		}
		if format != nil {
			return format.Validate(value)
		}
		return nil
	}
	part.Format = metered
}

// check returns the error of jsonschema for a document, or errComplex.
func (c *checker) check(document any) error {
	c.left = minSteps + stepsPerValue*values(document)
	err := c.compiled.Validate(document)
	if c.left < 0 {
		return errComplex
	}
	return err
}

// members returns the number of values directly in a value; for a text, the number of pieces that cost as much as a value.
func members(value any) int {
	const piece = 64 // bytes
	switch v := value.(type) {
	case map[string]any:
		return len(v)
	case []any:
		return len(v)
	case string:
		return len(v) / piece
	}
	return 0
}

// values returns the number of values in a document, itself included.
func values(document any) int {
	n := 1 + members(document)
	switch v := document.(type) {
	case map[string]any:
		for _, member := range v {
			n += values(member)
		}
	case []any:
		for _, member := range v {
			n += values(member)
		}
	}
	return n
}

// checkers is the pool of checkers of one schema, one for each goroutine that checks at the same time. It is safe for
// concurrent use.
type checkers struct {
	document any
	idle     chan *checker // never closed; holds one for each processor
}

// newCheckers compiles a document that is known to be a schema.
func newCheckers(document any) (*checkers, error) {
	first, err := newChecker(document)
	if err != nil {
		return nil, err
	}
	all := &checkers{document, make(chan *checker, runtime.GOMAXPROCS(0))}
	all.idle <- first
	return all, nil
}

// check checks a document with an idle checker, or with a new one.
func (all *checkers) check(document any) error {
	var c *checker
	select {
	case c = <-all.idle:
	default:
		var err error
		if c, err = newChecker(all.document); err != nil {
			return err
		}
	}
	err := c.check(document)
	select {
	case all.idle <- c:
	default:
	}
	return err
}
