package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// TypeScript returns the type of what a JSON Schema accepts, as far as TypeScript can say it. What it cannot say, such as a
// reference, is unknown. Members of the outermost object that are in without are left out.
func TypeScript(text string, without ...string) (string, error) {
	var schema any
	if err := json.Unmarshal([]byte(text), &schema); err != nil {
		return "", fmt.Errorf("schema: typescript: %w", err)
	}
	if object, ok := schema.(map[string]any); ok {
		if properties, ok := object["properties"].(map[string]any); ok {
			maps.DeleteFunc(properties, func(name string, _ any) bool { return slices.Contains(without, name) })
		}
	}
	return typeOf(schema), nil
}

func typeOf(schema any) string {
	if schema == false {
		return "never"
	}
	s, ok := schema.(map[string]any)
	if !ok {
		return "unknown"
	}
	var all []string // what a value must be at the same time
	if value, ok := s["const"]; ok {
		all = append(all, literal(value))
	}
	if values, ok := s["enum"].([]any); ok {
		all = append(all, union(values, literal))
	}
	if len(all) == 0 {
		all = append(all, declared(s)...)
	}
	for _, name := range []string{"anyOf", "oneOf"} {
		if options, ok := s[name].([]any); ok {
			all = append(all, union(options, typeOf))
		}
	}
	if parts, ok := s["allOf"].([]any); ok {
		for _, part := range parts {
			all = append(all, typeOf(part))
		}
	}
	all = slices.DeleteFunc(all, func(t string) bool { return t == "unknown" })
	switch len(all) {
	case 0:
		return "unknown"
	case 1:
		return all[0]
	}
	for i, t := range all {
		if strings.Contains(t, " | ") {
			all[i] = "(" + t + ")"
		}
	}
	return strings.Join(all, " & ")
}

// declared returns the type that the keyword type names, or that of an object if there is none but properties.
func declared(s map[string]any) []string {
	switch t := s["type"].(type) {
	case string:
		return []string{named(t, s)}
	case []any:
		return []string{union(t, func(name any) string { return named(fmt.Sprint(name), s) })}
	}
	if s["properties"] != nil || s["required"] != nil {
		return []string{named("object", s)}
	}
	return nil
}

func named(name string, s map[string]any) string {
	switch name {
	case "string", "number", "boolean", "null":
		return name
	case "integer":
		return "number"
	case "array":
		items := "unknown"
		if of, ok := s["items"]; ok {
			items = typeOf(of)
		}
		if strings.ContainsAny(items, "|&") {
			items = "(" + items + ")"
		}
		return items + "[]"
	case "object":
		return objectType(s)
	}
	return "unknown"
}

// objectType returns the type of an object. Members that are not declared are refused only by the type, as mistakes, unless the
// schema declares them.
func objectType(s map[string]any) string {
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range required {
		if name, ok := name.(string); ok && properties[name] == nil {
			properties = maps.Clone(properties)
			if properties == nil {
				properties = map[string]any{}
			}
			properties[name] = true
		}
	}
	more, given := s["additionalProperties"]
	if len(properties) == 0 {
		if !given || more == false {
			more = true
		}
		return "Record<string, " + typeOf(more) + ">"
	}
	var members []string
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		optional := "?"
		if slices.Contains(required, any(name)) {
			optional = ""
		}
		members = append(members, PropertyName(name)+optional+": "+typeOf(properties[name]))
	}
	if given && more != false {
		members = append(members, "[name: string]: unknown")
	}
	return "{ " + strings.Join(members, "; ") + " }"
}

// identifier matches names that need no quotes.
var identifier = regexp.MustCompile(`^[A-Za-z_$][\w$]*$`)

// PropertyName returns the name of a property, in quotes if it needs them.
func PropertyName(name string) string {
	if identifier.MatchString(name) {
		return name
	}
	return literal(name)
}

// literal returns the type of one value: values that are no tables are types of their own.
func literal(value any) string {
	switch value.(type) {
	case map[string]any, []any:
		return "unknown"
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "unknown"
	}
	return string(text)
}

// union returns the type of what is one of several types, each once.
func union[T any](options []T, typeOf func(option T) string) string {
	var types []string
	for _, option := range options {
		if t := typeOf(option); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	if slices.Contains(types, "unknown") || len(types) == 0 {
		return "unknown"
	}
	return strings.Join(types, " | ")
}
