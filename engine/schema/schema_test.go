package schema

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

const prize = `{
	"type": "object", "required": ["prize"],
	"properties": {
		"prize": {
			"type": "object", "required": ["name"], "additionalProperties": false,
			"properties": {"name": {"type": ["string", "null"], "maxLength": 5}, "sponsor": {"$ref": "#/$defs/text"}, "a b": {"type": "null"}}
		},
		"list": {"items": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}},
		"kind": {"enum": ["gold", 2]},
		"mail": {"format": "email"},
		"form": {"anyOf": [{"type": "string"}, {"type": "number"}]},
		"one": {"oneOf": [{"minimum": 1}, {"minimum": 2}]},
		"other": {"not": {"type": "string"}},
		"never": false
	},
	"$defs": {"text": {"type": "string"}}
}`

func compileTest(tb testing.TB, text string, envelope ...string) *Schema {
	tb.Helper()
	c, err := NewCompiler(envelope...)
	if err != nil {
		tb.Fatalf("NewCompiler = %v, want nil", err)
	}
	s, err := c.Compile([]byte(text))
	if err != nil {
		tb.Fatalf("Compile(%s) = %v, want nil", text, err)
	}
	return s
}

func TestCheck(t *testing.T) {
	// The fault names the place in the document and what is wrong there, and is always the same.
	s := compileTest(t, prize)
	for _, c := range []struct{ text, want string }{
		{`{"prize":{"name":"Mug","sponsor":"Acme"},"id":7}`, ""},
		{`{"prize":{"name":null}}`, ""},
		{`{}`, "prize: is missing"},
		{`{"prize":7}`, "prize: must be an object, not a number"},
		{`[]`, "it must be an object, not an array"},
		{`{"prize":{}}`, "prize.name: is missing"},
		{`{"prize":{"name":1}}`, "prize.name: must be null or a string, not a number"},
		{`{"prize":{"name":"Mugs and cups"}}`, "prize.name: maxLength: got 13, want 5"},
		{`{"prize":{"name":"x","sponsor":[]}}`, "prize.sponsor: must be a string, not an array"},
		{`{"prize":{"name":"x","z":1,"b":1}}`, "prize.b: is not known"},
		{`{"prize":{"name":"x","a b":1}}`, `prize["a b"]: must be null, not a number`},
		{`{"prize":{"name":"x"},"list":[{},{"n":1},{"n":0.5}]}`, "list[2].n: must be an integer, not a number"},
		{`{"prize":{"name":"x"},"list":[{"n":-1}]}`, "list[0].n: minimum: got -1, want 0"},
		{`{"prize":{"name":"x"},"kind":"tin"}`, "kind: value must be one of 'gold', 2"},
		{`{"prize":{"name":"x"},"mail":"nobody"}`, "mail: 'nobody' is not valid email"},
		{`{"prize":{"name":"x"},"form":true}`, "form: has none of the forms"},
		{`{"prize":{"name":"x"},"one":0}`, "one: has none of the forms"},
		{`{"prize":{"name":"x"},"one":3}`, "one: has more than one of the forms"},
		{`{"prize":{"name":"x"},"other":"x"}`, "other: has a form that is not allowed"},
		{`{"prize":{"name":"x"},"never":1}`, "never: is not known"},
		{`{"prize":{"name":5,"sponsor":5},"list":[{"n":"x"}]}`, "list[0].n: must be an integer, not a string"},
	} {
		for range 5 {
			err := s.Check([]byte(c.text))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
				t.Errorf("Check(%s) = %v, want %q", c.text, err, c.want)
				break
			}
		}
	}
}

func TestCheckEnvelope(t *testing.T) {
	// A closed schema may mention the envelope, but need not.
	closed := compileTest(t, `{"properties":{"by":{}},"additionalProperties":false}`, "id", "name")
	unevaluated := compileTest(t, `{"properties":{"by":{}},"unevaluatedProperties":false}`, "id", "name")
	mentions := compileTest(t, `{"properties":{"id":{"type":"string"}},"required":["id"],"additionalProperties":false}`, "id", "name")
	open := compileTest(t, `{"required":["name"]}`, "id", "name")
	for _, c := range []struct {
		s    *Schema
		text string
		want string
	}{
		{closed, `{"name":"Ring","id":7,"by":1}`, ""},
		{closed, `{"name":"Ring","from":1}`, "from: is not known"},
		{unevaluated, `{"name":"Ring","id":7,"by":1}`, ""},
		{unevaluated, `{"name":"Ring","from":1}`, "from: is not known"},
		{mentions, `{"name":"Ring","id":"7"}`, ""},
		{mentions, `{"name":"Ring","id":7}`, "id: must be a string, not a number"},
		{mentions, `{"name":"Ring"}`, "id: is missing"},
		{open, `{"name":"Ring"}`, ""},
	} {
		err := c.s.Check([]byte(c.text))
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("Check(%s) = %v, want %q", c.text, err, c.want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	// A schema that would not check what it seems to check is refused, with the place.
	compiler, err := NewCompiler()
	if err != nil {
		t.Fatalf("NewCompiler = %v, want nil", err)
	}
	for _, c := range []struct{ text, want string }{
		{`{"type":"objekt"}`, "schema: type: "},
		{`{"properties":{"prize":{"type":"objekt"}}}`, "schema: properties.prize.type: "},
		{`{"required":"prize"}`, "schema: required: must be an array, not a string"},
		{`{"requird":["prize"]}`, `schema: unknown keyword "requird"; did you mean "required"?`},
		{`{"properties":{"prize":{"items":{"requird":["prize"]}}}}`, `schema: properties.prize.items: unknown keyword "requird"; did you mean "required"?`},
		{`{"properties":{"n":{"type":"string","min":1}}}`, `schema: properties.n: unknown keyword "min"; did you mean "minLength"?`},
		{`{"properties":{"n":{"type":"integer","max":1}}}`, `unknown keyword "max"; did you mean "maximum"?`},
		{`{"properties":{"n":{"type":"array","min":1}}}`, `unknown keyword "min"; did you mean "minItems"?`},
		{`{"properties":{"n":{"type":"object","max":1}}}`, `unknown keyword "max"; did you mean "maxProperties"?`},
		{`{"properties":{"n":{"min":1}}}`, `unknown keyword "min"; did you mean "minLength" or "minimum"?`},
		{`{"text":{"type":"string"}}`, `schema: unknown keyword "text"; fields belong in properties: { properties = { text = ... } }`},
		{`{"text":"string"}`, `schema: unknown keyword "text"; fields belong in properties: { properties = { text = ... } }`},
		{`{"properties":{"n":{"type":"object","titel":{}}}}`, `schema: properties.n: unknown keyword "titel"; fields belong in properties: { properties = { titel = ... } }`},
		{`{"propertys":{"text":{}}}`, `schema: unknown keyword "propertys"; did you mean "properties"?`},
		{`{"typ":"string"}`, `schema: unknown keyword "typ"; did you mean "type"?`},
		{`{"properties":{"a":{"pattern":"("}}}`, "schema: properties.a.pattern: '(' is not valid regex"},
		{`{"$ref":"#/$defs/none"}`, "schema: "},
		{`{"$ref":"file:///etc/passwd"}`, `schema: "file:///etc/passwd": a schema refers only to itself`},
		{`{"$ref":"https://example.com/schema"}`, `schema: "https://example.com/schema": a schema refers only to itself`},
		{`{"$ref":"other.json"}`, `a schema refers only to itself`},
		{`{"$schema":"https://example.com/meta"}`, `schema: "https://example.com/meta": a schema refers only to itself`},
		{`{"minLength":-1}`, "schema: minLength: "},
		{`{"properties":{"n":{"type":"string","minLength":"1","maxLength":40}}}`, "schema: properties.n.minLength: must be an integer, not a string"},
		{`{"properties":{"n":{"type":"string","pattern":"[","maxLength":40}}}`, "schema: properties.n.pattern: '[' is not valid regex"},
		{`{"additionalProperties":false,"required":"n","properties":{"n":{"maxLength":40}}}`, "schema: required: must be an array, not a string"},
		{`{"additionalProperties":false,"properties":{"n":{"maxLenght":40,"minLength":1}}}`, `schema: properties.n: unknown keyword "maxLenght"; did you mean "maxLength"?`},
		{`{"properties":{"n":{"type":"strng","maxLength":40}}}`, `schema: properties.n.type: "strng" is not a type; there are string, number, integer, boolean, object, array, null`},
		{`{"type":["string","nul"]}`, `schema: type: "nul" is not a type; there are string, `},
		{`{"type":["string","string"]}`, `schema: type: must name each type once, and at least one`},
		{`{"type":[]}`, `schema: type: must name each type once, and at least one`},
		{`{"type":5}`, `schema: type: must be the name of a type, or a list of names`},
		{`{"properties":{"m":{"format":"emial","type":"string"}}}`, `schema: properties.m.format: "emial" is not a format; there are date, date-time, duration, email, `},
		{`{"format":5}`, `schema: format: `},
		{`{"required":{},"type":"object"}`, "schema: required: must be an array, not an object; an empty list is json.array({})"},
		{`7`, "schema: it must be"},
		{`{`, "schema: unexpected end"},
	} {
		if _, err := compiler.Compile([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Compile(%s) = %v, want %s", c.text, err, c.want)
		}
	}
}

func TestCompileAccepts(t *testing.T) {
	// Everything in the draft may be used, also annotations and other drafts.
	for _, text := range []string{
		`true`, `{}`,
		`{"title":"t","description":"d","$comment":"c","default":1,"examples":[1],"deprecated":true,"if":{},"then":{},"dependentRequired":{"a":["b"]}}`,
		`{"$schema":"https://json-schema.org/draft/2020-12/schema","prefixItems":[{"type":"string"}],"contains":{},"propertyNames":{"pattern":"^a"}}`,
		`{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"a":{}},"properties":{"x":{"$ref":"#/definitions/a"}}}`,
	} {
		compileTest(t, text)
	}
}

// Every format that a schema may name is checked.
func TestFormats(t *testing.T) {
	for _, format := range formats() {
		s := compileTest(t, `{"format":"`+format+`"}`)
		if err := s.Check([]byte(`"%{\\(["`)); err == nil || !strings.Contains(err.Error(), "is not valid "+format) {
			t.Errorf("Check of a text that is no %s = %v, want an error", format, err)
		}
	}
}

func TestCheckNumbers(t *testing.T) {
	// A short number with an enormous exact value costs nothing.
	s := compileTest(t, `{"items":{"multipleOf":2,"maximum":9}}`)
	for _, text := range []string{`[1e-999999999]`, `[0e999999999]`, `[1e-300]`} {
		_ = s.Check([]byte(text)) // it comes back
	}
}

// A fault is one short sentence of UTF-8, whatever the document.
func FuzzCheck(f *testing.F) {
	s := compileTest(f, prize, "id", "name", "timestamp")
	for _, text := range []string{`{"prize":{"name":5}}`, `{"prize":{"\ud800":1,"name":""}}`, `{"list":[{"n":1e400}]}`, `{"mail":"` + strings.Repeat("é", 400) + `"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := s.Check(text)
		if err == nil {
			return
		}
		if said := err.Error(); len(said) > longest || said == "" || utf8.Valid(text) && !utf8.ValidString(said) {
			t.Errorf("Check(%q) = %q, want a sentence of at most %d bytes", text, said, longest)
		}
	})
}

// Numbers beyond 2^53 are compared exactly, and those beyond float64 as the largest one. A schema that does not mention them accepts
// them.
func TestBigNumbers(t *testing.T) {
	s := compileTest(t, `{"properties":{
		"even":{"multipleOf":2}, "most":{"maximum":9007199254740992}, "whole":{"type":"integer"}, "text":{"type":"string"}, "set":{"uniqueItems":true},
		"least":{"minimum":1e300}
	}}`)
	for _, c := range []struct{ text, want string }{
		{`{"even":9007199254740993}`, "even: multipleOf"},
		{`{"even":9007199254740994}`, ""},
		{`{"most":9007199254740993}`, "most: maximum"},
		{`{"most":-1e309}`, ""},
		{`{"most":1e309}`, "most: maximum"},
		{`{"least":1e999999999}`, ""},
		{`{"least":[1e400,{"x":1e400}]}`, ""},
		{`{"whole":12345678901234567890.5}`, "whole: must be an integer, not a number"},
		{`{"whole":12345678901234567890}`, ""},
		{`{"whole":1` + strings.Repeat("0", 60_000) + `}`, ""},
		{`{"whole":9007199254740993.` + strings.Repeat("0", 60_000) + `}`, ""},
		{`{"text":1e309}`, "text: must be a string, not a number"},
		{`{"set":[9007199254740992,9007199254740993]}`, ""},
		{`{"set":[9007199254740993,9007199254740993]}`, "set: items at 0 and 1 are equal"},
		{`{"other":1e309,"e":-1e-999999999}`, ""},
	} {
		err := s.Check([]byte(c.text))
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && !strings.HasPrefix(got, c.want) {
			t.Errorf("Check(%.60s) = %.200s, want %q", c.text, got, c.want)
		}
	}
}
