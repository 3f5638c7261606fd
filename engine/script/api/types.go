package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Types writes modules and kinds of objects as LuaCATS annotations, for editors.
type Types struct{ text strings.Builder }

// String returns the text so far.
func (w *Types) String() string { return w.text.String() }

// Text adds literal text.
func (w *Types) Text(text string) { w.text.WriteString(text) }

// Kind adds a kind of object with its methods, or a table of options.
func (w *Types) Kind(k Kind) {
	fields := k.Fields
	if k.Fallback != nil {
		fields = append(slices.Clone(fields), otherFields(k))
	}
	w.class(k.Class, k.Doc, fields)
	if k.Methods != nil {
		fmt.Fprintf(&w.text, "local %s = {}\n", k.Class)
		w.functions(k.Class+":", k.Methods)
	}
}

// otherFields describes the fields that scripts may add to an object.
func otherFields(k Kind) Field { return Field{"[string]", "any", k.FallbackDoc, nil} }

// Module adds a module.
func (w *Types) Module(m Module) {
	w.class(m.Name, m.Doc, m.Fields)
	fmt.Fprintf(&w.text, "local %s = {}\n", m.Name)
	w.functions(m.Name+".", m.Functions)
}

func (w *Types) class(class, doc string, fields []Field) {
	fmt.Fprintf(&w.text, "\n---%s\n---@class perigee.%s\n", doc, class)
	for _, f := range fields {
		fmt.Fprintf(&w.text, "---@field %s %s %s\n", f.Name, f.Type, f.Doc)
	}
}

// functions adds functions; owner is their prefix, with the dot or colon.
func (w *Types) functions(owner string, functions []Function) {
	for _, f := range functions {
		first, others, _ := strings.Cut(f.Signature, "\n")
		s, _ := parseSignature(first) // a test has parsed it
		fmt.Fprintf(&w.text, "\n---%s\n", f.Doc)
		var names []string
		for _, p := range s.params {
			name, kind, _ := strings.Cut(p, ": ")
			fmt.Fprintf(&w.text, "---@param %s %s\n", name, kind)
			names = append(names, strings.TrimSuffix(name, "?"))
		}
		for _, r := range s.returns {
			fmt.Fprintf(&w.text, "---@return %s\n", r)
		}
		for other := range strings.Lines(others) {
			other = strings.TrimSuffix(other, "\n")
			if kind, method := strings.CutSuffix(owner, ":"); method {
				other = strings.Replace("(self: perigee."+kind+", "+other[1:], ", )", ")", 1)
			}
			fmt.Fprintf(&w.text, "---@overload fun%s\n", other)
		}
		fmt.Fprintf(&w.text, "function %s%s(%s) end\n", owner, f.Name, strings.Join(names, ", "))
	}
}

// Check returns an error if the description of the function is incomplete or malformed.
func (f Function) Check() error {
	if !strings.HasSuffix(f.Doc, ".") {
		return fmt.Errorf("%s has the doc %q, want a sentence", f.Name, f.Doc)
	}
	for line := range strings.SplitSeq(f.Signature, "\n") {
		if _, err := parseSignature(line); err != nil {
			return fmt.Errorf("%s has the signature %q: %w", f.Name, line, err)
		}
	}
	return nil
}

// signature is a parsed signature: parameters as "name?: type", and result types.
type signature struct{ params, returns []string }

// parseSignature reads one line of a function's signature.
func parseSignature(line string) (signature, error) {
	inner, ok := strings.CutPrefix(line, "(")
	end := closing(inner)
	if !ok || end < 0 {
		return signature{}, errors.New("it must begin with the parameters in brackets")
	}
	s := signature{params: splitList(inner[:end])}
	for _, p := range s.params {
		if name, kind, ok := strings.Cut(p, ": "); !ok || name == "" || kind == "" {
			return s, fmt.Errorf("parameter %q has no type", p)
		}
	}
	rest := inner[end+1:]
	if rest == "" {
		return s, nil
	}
	if rest, ok = strings.CutPrefix(rest, ": "); !ok || rest == "" {
		return s, errors.New("after the brackets must come a colon and the result types")
	}
	s.returns = splitList(rest)
	return s, nil
}

// closing returns the index of the bracket that closes the one before text, or -1.
func closing(text string) int {
	depth := 0
	for i, r := range text {
		switch r {
		case '(', '<', '{':
			depth++
		case ')', '>', '}':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// splitList splits at the commas outside of brackets.
func splitList(text string) []string {
	var parts []string
	depth, start := 0, 0
	for i, r := range text {
		switch r {
		case '(', '<', '{':
			depth++
		case ')', '>', '}':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, strings.TrimSpace(text[start:i]))
				start = i + 1
			}
		}
	}
	if text = strings.TrimSpace(text[start:]); text != "" {
		parts = append(parts, text)
	}
	return parts
}
