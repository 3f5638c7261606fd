package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"perigee/engine/config"
)

// longest is the maximum of bytes of a fault: it may quote the document.
const longest = 300

// fault says what is wrong with a document, and at which place.
type fault string

// Error returns the sentence.
func (f fault) Error() string { return string(f) }

// sentence converts an error of jsonschema to a plain sentence. Of several faults it takes the first one in alphabetical order
// of their places, so that the same document always has the same. words may return a better wording, or ""; optional.
func sentence(err error, document any, words func(e *jsonschema.ValidationError, at any) string) error {
	if bad, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = bad.Err
	}
	if load, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		return fault(clip(strconv.Quote(strings.TrimPrefix(load.URL, base)) + ": " + errReference.Error()))
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	c := collector{document: document, words: words}
	c.collect(invalid)
	first := slices.MinFunc(causes(c.faults), func(a, b placed) int {
		return cmp.Or(slices.Compare(a.path, b.path), cmp.Compare(a.text, b.text))
	})
	if n := len(first.path); words != nil && first.unknown && n > 0 { // a keyword of a schema
		text := unknownKeyword(first.path[n-1], find(document, first.path[:n-1]))
		if place := show(first.path[:n-1], document); place != "" {
			text = place + ": " + text
		}
		return fault(clip(text))
	}
	place := show(first.path, document)
	if place == "" {
		return fault(clip("it " + first.text))
	}
	return fault(clip(place + ": " + first.text))
}

// placed is one fault and the path to it.
type placed struct {
	path    []string
	text    string
	unknown bool // the fault is that there is a value at all
}

// causes removes faults that are only consequences of others: if anything is wrong in an object, or inside it, the keyword
// unevaluatedProperties takes all of its members for unknown. The deepest faults are causes.
func causes(faults []placed) []placed {
	deepest, known := 0, false
	for _, f := range faults {
		deepest, known = max(deepest, len(f.path)), known || !f.unknown
	}
	return slices.DeleteFunc(faults, func(f placed) bool {
		return f.unknown && (known || len(f.path) < deepest)
	})
}

// collector collects the faults of a document.
type collector struct {
	document any
	words    func(e *jsonschema.ValidationError, at any) string
	faults   []placed
}

// collect adds the faults of an error.
func (c *collector) collect(e *jsonschema.ValidationError) {
	path := e.InstanceLocation
	add := func(name, text string) {
		at := slices.Clone(path)
		if name != "" {
			at = append(at, name)
		}
		_, unknown := e.ErrorKind.(*kind.FalseSchema)
		c.faults = append(c.faults, placed{at, text, unknown})
	}
	if c.words != nil {
		if text := c.words(e, find(c.document, path)); text != "" {
			add("", text)
			return
		}
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			add(name, "is missing")
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			add(name, "is not known")
		}
	case *kind.FalseSchema:
		add("", "is not known")
	case *kind.Type:
		add("", "must be "+alternatives(k.Want)+", not "+article(k.Got))
	case *kind.AnyOf:
		add("", "has none of the forms that are allowed")
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			add("", "has more than one of the forms of which it may have one")
		} else {
			add("", "has none of the forms that are allowed")
		}
	case *kind.Not:
		add("", "has a form that is not allowed")
	default:
		for _, cause := range e.Causes {
			c.collect(cause)
		}
		if len(e.Causes) == 0 {
			add("", original(e))
		}
	}
}

// find returns the value at a path; nil if there is none.
func find(document any, path []string) any {
	for _, step := range path {
		document = within(document, step)
	}
	return document
}

// within returns the value at one step of a path; nil if there is none.
func within(document any, step string) any {
	switch v := document.(type) {
	case map[string]any:
		return v[step]
	case []any:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// ofSchema returns the wording for a fault in a schema; "" if there is none better than that for any document. at is the value
// at the place of the fault.
func ofSchema(e *jsonschema.ValidationError, at any) string {
	if len(e.InstanceLocation) == 0 {
		return ""
	}
	keyword := e.InstanceLocation[len(e.InstanceLocation)-1]
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf:
		if keyword == "type" {
			return wrongType(at)
		}
	case *kind.Enum:
		if text, ok := at.(string); ok && keyword == "format" {
			return strconv.Quote(text) + " is not a format; there are " + strings.Join(formats(), ", ")
		}
	case *kind.Type:
		if object, ok := at.(map[string]any); ok && len(object) == 0 && slices.Contains(k.Want, "array") {
			return "must be " + alternatives(k.Want) + ", not an object; an empty list is json.array({})"
		}
	}
	return ""
}

// unknownKeyword returns what is wrong with a keyword of a schema that does not exist. at is the schema.
func unknownKeyword(name string, at any) string {
	schema, _ := at.(map[string]any)
	text := "unknown keyword " + strconv.Quote(name)
	similar := similarKeyword(name, schema["type"])
	if isField(schema[name], similar) {
		return text + fmt.Sprintf("; fields belong in properties: { properties = { %s = ... } }", name)
	}
	if similar != "" {
		text += "; did you mean " + similar + "?"
	}
	return text
}

// similarKeyword returns the quoted keyword that a name in a schema of a type resembles; of "min" and "max", which several keywords
// begin with, that of the type.
func similarKeyword(name string, kind any) string {
	if name == "min" || name == "max" {
		switch kind {
		case "string":
			return strconv.Quote(name + "Length")
		case "number", "integer":
			return strconv.Quote(name + "imum")
		case "array":
			return strconv.Quote(name + "Items")
		case "object":
			return strconv.Quote(name + "Properties")
		}
		return strconv.Quote(name+"Length") + " or " + strconv.Quote(name+"imum")
	}
	if similar := config.Nearest(name, keywords()); similar != "" {
		return strconv.Quote(similar)
	}
	return ""
}

// isField reports whether an unknown keyword with this value is rather a field than the quoted keyword that it resembles, if any: its
// value is a schema, or a type, which that keyword does not take.
func isField(v any, similar string) bool {
	switch v := v.(type) {
	case string:
		return similar == "" && slices.Contains(types(), v)
	case map[string]any:
		name := strings.Trim(similar, `"`)
		return name == "" || slices.Contains([]string{
			"const", "default", "deprecated", "description", "enum", "format", "pattern", "required", "title", "type",
		}, name)
	}
	return false
}

// wrongType returns the fault of a wrong value of the keyword type.
func wrongType(at any) string {
	named, isList := at.([]any)
	if !isList {
		named = []any{at}
	}
	for _, one := range named {
		name, ok := one.(string)
		if !ok {
			return "must be the name of a type, or a list of names"
		}
		if !slices.Contains(types(), name) {
			return strconv.Quote(name) + " is not a type; there are " + strings.Join(types(), ", ")
		}
	}
	return "must name each type once, and at least one"
}

// original returns jsonschema's own wording, such as "minLength: got 0, want 1".
func original(e *jsonschema.ValidationError) string {
	if out := e.BasicOutput(); out.Error != nil {
		return out.Error.String()
	}
	return "is not allowed"
}

// alternatives joins types: "a string or null".
func alternatives(types []string) string {
	named := make([]string, len(types))
	for i, t := range types {
		named[i] = article(t)
	}
	return strings.Join(named, " or ")
}

func article(kind string) string {
	switch kind {
	case "null":
		return kind
	case "array", "integer", "object":
		return "an " + kind
	default:
		return "a " + kind
	}
}

// show returns a path as JavaScript would write it: prizes[0].name, with lists counted from 0.
func show(path []string, document any) string {
	var b strings.Builder
	for _, step := range path {
		switch _, isList := document.([]any); {
		case isList:
			b.WriteString("[" + step + "]")
		case isWord(step):
			b.WriteString("." + step)
		default:
			b.WriteString("[" + strconv.Quote(step) + "]")
		}
		document = within(document, step)
	}
	return strings.TrimPrefix(b.String(), ".")
}

// isWord reports whether a name may follow a dot.
func isWord(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && r != '$' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// clip shortens a text that is too long, between two characters.
func clip(text string) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest-3], "") + "..."
}
