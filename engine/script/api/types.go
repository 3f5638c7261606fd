package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Types writes modules and kinds of objects as LuaCATS annotations, for editors.
type Types struct{ strings.Builder }

// Kind adds a kind of object with its methods, or a table of options.
func (w *Types) Kind(k Kind) {
	w.class(k.Class, k.Doc, k.allFields())
	if k.Methods != nil {
		fmt.Fprintf(&w.Builder, "local %s = {}\n", k.Class)
		w.functions(k.Class+":", k.Methods)
	}
}

// allFields returns the fields with a description of those that scripts may add to an object.
func (k Kind) allFields() []Field {
	if k.Fallback == nil {
		return k.Fields
	}
	return append(slices.Clip(k.Fields), Field{"[string]", "any", k.FallbackDoc, nil})
}

// Module adds a module.
func (w *Types) Module(m Module) {
	w.class(m.Name, m.Doc, m.Fields)
	fmt.Fprintf(&w.Builder, "local %s = {}\n", m.Name)
	w.functions(m.Name+".", m.Functions)
}

// Globals adds global functions, and functions in the fields of others. Those without Run are Lua's own, which editors know.
func (w *Types) Globals(functions []Function) {
	w.functions("", slices.DeleteFunc(slices.Clone(functions), func(f Function) bool { return f.Run == nil }))
}

func (w *Types) class(class, doc string, fields []Field) {
	fmt.Fprintf(&w.Builder, "\n---%s\n---@class perigee.%s\n", doc, class)
	for _, f := range fields {
		fmt.Fprintf(&w.Builder, "---@field %s %s %s\n", f.Name, f.Type, f.Doc)
	}
}

// functions adds functions; owner is their prefix, with the dot or colon.
func (w *Types) functions(owner string, functions []Function) {
	for _, f := range functions {
		first, others, _ := strings.Cut(f.Signature, "\n")
		params, returns, _ := parseSignature(first) // a test has parsed it
		fmt.Fprintf(&w.Builder, "\n---%s\n", f.Doc)
		for _, p := range params {
			name, kind, _ := strings.Cut(p, ": ")
			fmt.Fprintf(&w.Builder, "---@param %s %s\n", name, kind)
		}
		for _, r := range returns {
			fmt.Fprintf(&w.Builder, "---@return %s\n", r)
		}
		for other := range strings.Lines(others) {
			other = strings.TrimSuffix(other, "\n")
			if kind, method := strings.CutSuffix(owner, ":"); method {
				other = strings.Replace("(self: perigee."+kind+", "+other[1:], ", )", ")", 1)
			}
			fmt.Fprintf(&w.Builder, "---@overload fun%s\n", other)
		}
		fmt.Fprintf(&w.Builder, "function %s%s(%s) end\n", owner, f.Name, strings.Join(f.Parameters(), ", "))
	}
}

// Check returns an error if the description of the function is incomplete or malformed.
func (f Function) Check() error {
	if !strings.HasSuffix(f.Doc, ".") {
		return fmt.Errorf("%s has the doc %q, want a sentence", f.Name, f.Doc)
	}
	for line := range strings.SplitSeq(f.Signature, "\n") {
		if _, _, err := parseSignature(line); err != nil {
			return fmt.Errorf("%s has the signature %q: %w", f.Name, line, err)
		}
	}
	return nil
}

// parseSignature reads one line of a function's signature: parameters as "name?: type", and result types.
func parseSignature(line string) (params, returns []string, err error) {
	inner, ok := strings.CutPrefix(line, "(")
	params, rest, closed := splitList(inner)
	if !ok || !closed {
		return nil, nil, errors.New("it must begin with the parameters in brackets")
	}
	for _, p := range params {
		if name, kind, ok := strings.Cut(p, ": "); !ok || name == "" || kind == "" {
			return nil, nil, fmt.Errorf("parameter %q has no type", p)
		}
	}
	if rest == "" {
		return params, nil, nil
	}
	if rest, ok = strings.CutPrefix(rest, ": "); !ok || rest == "" {
		return nil, nil, errors.New("after the brackets must come a colon and the result types")
	}
	returns, _, _ = splitList(rest)
	return params, returns, nil
}

// splitList splits at the commas outside of brackets, up to the end or the bracket that closes the one before text. rest is
// what follows that bracket.
func splitList(text string) (parts []string, rest string, closed bool) {
	depth, start := 0, 0
	for i, r := range text {
		switch {
		case strings.ContainsRune("(<{", r):
			depth++
		case strings.ContainsRune(")>}", r):
			if depth--; depth < 0 {
				parts, _, _ = splitList(text[:i])
				return parts, text[i+1:], true
			}
		case r == ',' && depth == 0:
			parts = append(parts, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	if last := strings.TrimSpace(text[start:]); last != "" {
		parts = append(parts, last)
	}
	return parts, "", false
}
