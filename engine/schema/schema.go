// Package schema checks JSON against JSON Schema (draft 2020-12 unless "$schema" names another). It owns what a schema may
// be here, and how a fault is put into words; the checking itself is done by jsonschema. It knows no
// message and no script.
//
// Keywords and formats that do not exist are refused, since a slip of the pen would switch a check off; formats are checked;
// references lead nowhere but into the schema itself. What is said of a schema is for authors of scripts.
package schema

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Names by which schemas are known to each other. The scheme is one that nothing could load.
const (
	base      = "perigee:///"
	ownURL    = base + "schema"
	strictURL = base + "strict"
	draftURL  = "https://json-schema.org/draft/2020-12/schema"
)

// strict returns the schema of schemas, closed: also in the parts of a schema, which it reaches by its anchor.
func strict() any {
	known := []any{}
	for _, format := range formats() {
		known = append(known, format)
	}
	return map[string]any{
		"$schema": draftURL, "$id": strictURL, "$dynamicAnchor": "meta", "$ref": draftURL, "unevaluatedProperties": false,
		"properties": map[string]any{"format": map[string]any{"enum": known}},
	}
}

// formats are those that jsonschema checks; it lets every other one pass.
func formats() []string {
	return []string{
		"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "iri", "iri-reference", "json-pointer", "period",
		"regex", "relative-json-pointer", "semver", "time", "uri", "uri-reference", "uri-template", "uuid",
	}
}

// types are those that a schema may ask for.
func types() []string {
	return []string{"string", "number", "integer", "boolean", "object", "array", "null"}
}

// errReference is why nothing is loaded.
var errReference = errors.New("a schema refers only to itself")

// Schema is a compiled schema. Any goroutine may use it.
type Schema struct {
	checkers *checkers
	ignored  []string
}

// Compiler makes schemas. It may be used by one goroutine at a time.
type Compiler struct {
	keywords *jsonschema.Schema // what strict is compiled to
	envelope []string
	known    map[string]*Schema // by their text
}

// NewCompiler returns a compiler. The members of objects that envelope names are not looked at by the keywords
// additionalProperties and unevaluatedProperties at the top of its schemas.
func NewCompiler(envelope ...string) (*Compiler, error) {
	keywords, err := compile(strictURL, strict())
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return &Compiler{keywords, envelope, map[string]*Schema{}}, nil
}

// Compile makes a schema of its JSON; the same text is compiled once. The error names the place in the schema, and what is
// wrong there.
func (c *Compiler) Compile(text []byte) (*Schema, error) {
	if known := c.known[string(text)]; known != nil {
		return known, nil
	}
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	if isOfDraft(document) {
		if err := c.keywords.Validate(document); err != nil {
			return nil, fmt.Errorf("schema: %w", plain(err, document, ofSchema))
		}
	}
	if _, err := compile(ownURL, document); err != nil {
		return nil, fmt.Errorf("schema: %w", plain(err, document, ofSchema))
	}
	checkers, err := newCheckers(document)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	made := &Schema{checkers, ignored(document, c.envelope)}
	c.known[string(text)] = made
	return made, nil
}

// isOfDraft tells whether a schema is of the draft whose keywords are known here. One of another draft is left alone.
func isOfDraft(document any) bool {
	object, _ := document.(map[string]any)
	draft, given := object["$schema"]
	return !given || draft == draftURL
}

// compile compiles a document under a name, formats included, without loading another.
func compile(url string, document any) (*jsonschema.Schema, error) {
	return compileWith(newCompiler(), url, document)
}

func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.UseLoader(nowhere{})
	c.AssertFormat()
	return c
}

func compileWith(c *jsonschema.Compiler, url string, document any) (*jsonschema.Schema, error) {
	if err := c.AddResource(url, document); err != nil {
		return nil, err
	}
	return c.Compile(url)
}

// nowhere loads nothing.
type nowhere struct{}

// Load implements jsonschema.URLLoader.
func (nowhere) Load(string) (any, error) { return nil, errReference }

// ignored returns which members of the envelope a schema would refuse only because it does not mention them.
func ignored(document any, envelope []string) []string {
	object, _ := document.(map[string]any)
	if object["additionalProperties"] == nil && object["unevaluatedProperties"] == nil {
		return nil
	}
	properties, _ := object["properties"].(map[string]any)
	var names []string
	for _, name := range envelope {
		if _, mentioned := properties[name]; !mentioned {
			names = append(names, name)
		}
	}
	return names
}

// Check returns nil for JSON that is as the schema demands. The error is a sentence for whoever sent it, of at most 300
// bytes: "prize.name: is missing".
func (s *Schema) Check(text []byte) error {
	// Numbers become float64: as exact fractions, a few digits could stand for more memory than there is.
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		return err
	}
	if object, ok := document.(map[string]any); ok {
		for _, name := range s.ignored {
			delete(object, name)
		}
	}
	if err := s.checkers.check(document); err != nil {
		return plain(err, document, nil)
	}
	return nil
}
