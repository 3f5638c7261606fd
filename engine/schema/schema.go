// Package schema owns the check of JSON against JSON Schema (draft 2020-12 unless "$schema" names another): the rules for
// schemas and the wording of faults. Package jsonschema does the checking itself. It must not know messages or scripts.
//
// Unknown keywords and formats are refused, since a typing error would disable a check; formats are checked; references
// only lead into the schema itself. Errors about a schema are for authors of scripts.
package schema

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// URLs of the schemas. Their scheme is one that cannot be loaded.
const (
	base      = "perigee:///"
	ownURL    = base + "schema"
	strictURL = base + "strict"
	draftURL  = "https://json-schema.org/draft/2020-12/schema"
)

// strict returns the schema of schemas without unknown keywords, also in the parts of a schema, which it reaches by its
// anchor.
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

// formats returns the formats that jsonschema checks; it accepts any value for others.
func formats() []string {
	return []string{
		"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "iri", "iri-reference", "json-pointer", "period",
		"regex", "relative-json-pointer", "semver", "time", "uri", "uri-reference", "uri-template", "uuid",
	}
}

// keywords returns the keywords of the draft, for suggestions.
func keywords() []string {
	return []string{
		"$anchor", "$comment", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "$schema", "$vocabulary",
		"additionalProperties", "allOf", "anyOf", "const", "contains", "contentEncoding", "contentMediaType", "contentSchema",
		"default", "dependentRequired", "dependentSchemas", "deprecated", "description", "else", "enum", "examples",
		"exclusiveMaximum", "exclusiveMinimum", "format", "if", "items", "maxContains", "maxItems", "maxLength", "maxProperties",
		"maximum", "minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "not", "oneOf", "pattern",
		"patternProperties", "prefixItems", "properties", "propertyNames", "readOnly", "required", "then", "title", "type",
		"unevaluatedItems", "unevaluatedProperties", "uniqueItems", "writeOnly",
	}
}

// types returns the types that a schema may demand.
func types() []string {
	return []string{"string", "number", "integer", "boolean", "object", "array", "null"}
}

// errReference is the error of a reference to another schema.
var errReference = errors.New("a schema refers only to itself")

// Schema is a compiled schema. It is safe for concurrent use.
type Schema struct {
	checkers *checkers
	ignored  []string
}

// Compiler compiles schemas. It is for one goroutine at a time.
type Compiler struct {
	keywords *jsonschema.Schema // compiled from strict
	envelope []string
	known    map[string]*Schema // by text
}

// NewCompiler returns a compiler. The keywords additionalProperties and unevaluatedProperties at the top of its schemas ignore
// the members that envelope names.
func NewCompiler(envelope ...string) (*Compiler, error) {
	keywords, err := compile(newCompiler(), strictURL, strict())
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
			return nil, fmt.Errorf("schema: %w", sentence(err, document, ofSchema))
		}
	}
	if _, err := compile(newCompiler(), ownURL, document); err != nil {
		return nil, fmt.Errorf("schema: %w", sentence(err, document, ofSchema))
	}
	checkers, err := newCheckers(document)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	made := &Schema{checkers, ignored(document, c.envelope)}
	c.known[string(text)] = made
	return made, nil
}

// isOfDraft reports whether a schema is of the draft whose keywords are known here. Keywords of other drafts are not checked.
func isOfDraft(document any) bool {
	object, _ := document.(map[string]any)
	draft, given := object["$schema"]
	return !given || draft == draftURL
}

// newCompiler returns a compiler that checks formats and loads no other documents.
func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.UseLoader(nowhere{})
	c.AssertFormat()
	return c
}

// compile compiles a document under a URL.
func compile(c *jsonschema.Compiler, url string, document any) (*jsonschema.Schema, error) {
	if err := c.AddResource(url, document); err != nil {
		return nil, err
	}
	return c.Compile(url)
}

// nowhere is a loader that refuses every URL.
type nowhere struct{}

// Load implements jsonschema.URLLoader.
func (nowhere) Load(string) (any, error) { return nil, errReference }

// ignored returns the members of the envelope that a schema would refuse only because it does not mention them.
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

// Check returns nil for JSON that satisfies the schema. The error is a sentence for the sender, of at most 300 bytes:
// "prize.name: is missing".
func (s *Schema) Check(text []byte) error {
	document, err := decode(text)
	if err != nil {
		return err
	}
	if object, ok := document.(map[string]any); ok {
		for _, name := range s.ignored {
			delete(object, name)
		}
	}
	if err := s.checkers.check(document); err != nil {
		return sentence(err, document, nil)
	}
	return nil
}
