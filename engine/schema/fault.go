package schema

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// longest is how many bytes a fault may have: what was sent may be quoted in it.
const longest = 300

// fault says what is wrong with a document, and where.
type fault string

// Error returns the sentence.
func (f fault) Error() string { return string(f) }

// plain puts an error of jsonschema into plain words. Of several faults it tells that of the first place in the order of
// the alphabet, so that the same document always has the same one.
func plain(err error, document any) error {
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
	all := gather(invalid, nil)
	faults := slices.DeleteFunc(slices.Clone(all), func(f placed) bool { return f.follows(all) })
	first := slices.MinFunc(faults, func(a, b placed) int {
		return cmp.Or(slices.Compare(a.path, b.path), cmp.Compare(a.text, b.text))
	})
	place := show(first.path, document)
	if place == "" {
		return fault(clip("it " + first.text))
	}
	return fault(clip(place + ": " + first.text))
}

// placed is one fault and the way to it.
type placed struct {
	path    []string
	text    string
	unknown bool // there should be nothing
}

// follows tells whether a fault only comes of another one: what is wrong inside counts as unknown for the keyword
// unevaluatedProperties further out.
func (f placed) follows(faults []placed) bool {
	return f.unknown && slices.ContainsFunc(faults, func(other placed) bool {
		inside := len(other.path) > len(f.path) || len(other.path) == len(f.path) && !other.unknown
		return inside && slices.Equal(other.path[:len(f.path)], f.path)
	})
}

// gather adds the faults that others consist of.
func gather(e *jsonschema.ValidationError, faults []placed) []placed {
	path := e.InstanceLocation
	add := func(name, text string) {
		at := slices.Clone(path)
		if name != "" {
			at = append(at, name)
		}
		_, unknown := e.ErrorKind.(*kind.FalseSchema)
		faults = append(faults, placed{at, text, unknown})
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
	case *kind.AnyOf, *kind.OneOf:
		add("", "has none of the forms that are allowed, or more than one")
	case *kind.Not:
		add("", "has a form that is not allowed")
	default:
		for _, cause := range e.Causes {
			faults = gather(cause, faults)
		}
		if len(e.Causes) == 0 {
			add("", words(e))
		}
	}
	return faults
}

// words are those of jsonschema itself, such as "minLength: got 0, want 1".
func words(e *jsonschema.ValidationError) string {
	if out := e.BasicOutput(); out.Error != nil {
		return out.Error.String()
	}
	return "is not allowed"
}

// alternatives names types: "a string or null".
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

// show writes a path as JavaScript would: prizes[0].name, with lists counted from 0.
func show(path []string, document any) string {
	var b strings.Builder
	for _, step := range path {
		if list, ok := document.([]any); ok {
			b.WriteString("[" + step + "]")
			document = nil
			if i, err := strconv.Atoi(step); err == nil && i < len(list) {
				document = list[i]
			}
			continue
		}
		if isWord(step) {
			b.WriteString("." + step)
		} else {
			b.WriteString("[" + strconv.Quote(step) + "]")
		}
		object, _ := document.(map[string]any)
		document = object[step]
	}
	return strings.TrimPrefix(b.String(), ".")
}

// isWord tells whether a name may follow a dot.
func isWord(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && r != '$' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// clip shortens what is too long, between two characters.
func clip(text string) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest-3], "") + "..."
}
