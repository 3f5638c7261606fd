package script

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Types returns what editors want to know of the modules and objects that scripts use: LuaCATS annotations, made of the
// tables that register them.
func Types() string {
	p := &Program{} // its functions are described, not called
	var w strings.Builder
	w.WriteString("---@meta\n\n-- Written by perigee types: what scripts can do, for editors.\n\n")
	w.WriteString("---@alias perigee.Protection \"none\"|\"client\"|\"admin\"\n")
	for _, c := range optionClasses() {
		writeClass(&w, c.class, c.doc, c.fields)
	}
	for _, k := range p.kinds() {
		fields := k.fields
		if k.other != nil {
			fields = append(slices.Clone(fields), field{"[string]", "any", "The application's own plain data.", nil})
		}
		writeClass(&w, k.class, k.doc, fields)
		fmt.Fprintf(&w, "local %s = {}\n", k.class)
		writeFunctions(&w, k.class+":", k.methods)
	}
	for _, m := range p.modules() {
		writeClass(&w, m.name, m.doc, m.fields)
		fmt.Fprintf(&w, "local %s = {}\n", m.name)
		writeFunctions(&w, m.name+".", m.functions)
	}
	writeClass(&w, "manager", "The base manager, which an application extends.", nil)
	w.WriteString("local manager = {}\n")
	writeFunctions(&w, "manager:", managerMethods())
	return w.String()
}

// ModuleTypes returns, by the name of a module, a file that tells editors what require returns.
func ModuleTypes() map[string]string {
	files := map[string]string{}
	names := []string{"manager"}
	for _, m := range (&Program{}).modules() {
		names = append(names, m.name)
	}
	for _, name := range names {
		files[name] = fmt.Sprintf("---@meta\n\n---@type perigee.%s\nlocal %s = {}\n\nreturn %s\n", name, name, name)
	}
	return files
}

// managerMethods are those of scripts/manager.lua.
func managerMethods() []function {
	return append([]function{
		{"extend", "(): perigee.manager", "Makes a manager that has all hooks of this one until it brings its own.", nil},
		{"boot", "()", "Runs once for each generation of scripts; everything is registered here.", nil},
	}, hooks()...)
}

// optionClasses are the tables of options that functions take.
func optionClasses() []kind {
	const protection = "perigee.Protection"
	headers := field{"headers?", "table<string, string|number>", "By name.", nil}
	timeout := field{"timeout?", "number", "In milliseconds.", nil}
	json := field{"json?", "any", "Sent as JSON, in place of a body.", nil}
	return []kind{
		{class: "MessageOptions", doc: "Who may send a message, and how its fields must be.", fields: []field{
			{"protection", protection, "Who may send it.", nil},
			{"owner?", "string", "The field with the uuid of the connection it is about.", nil},
			{"authorize?", "fun(client: perigee.Client, message: table): boolean?", "Narrows the protection.", nil},
			{"schema?", "table", "How its fields must be, as JSON Schema.", nil},
		}},
		{class: "TopicOptions", doc: "Who may subscribe to a topic.", fields: []field{
			{"protection?", protection, "None where it is not given.", nil},
			{"owner?", "string", "The uuid of the connection that it belongs to.", nil},
		}},
		{class: "TimerOptions", doc: "When a timer ends.", fields: []field{
			{"timeout?", "number", "How many milliseconds after its start.", nil},
		}},
		{class: "ProcessOptions", doc: "What a program is started with.", fields: []field{
			{"args?", "string[]", "Added to its arguments, where the settings allow them.", nil},
			{"on_output?", "fun(line: string)", "Hears each line that it writes.", nil},
			{"on_error?", "fun(line: string)", "Hears each line that it writes to its standard error.", nil},
			{"on_exit?", "fun(code: integer)", "Hears of its end.", nil},
			{"restart?", "boolean", "Starts it again when it has ended, with growing pauses.", nil},
		}},
		{class: "GetOptions", doc: "Options of http.get.", fields: []field{headers, timeout}},
		{class: "PostOptions", doc: "Options of http.post.", fields: []field{headers, timeout, json}},
		{class: "RequestOptions", doc: "A request.", fields: []field{
			{"url", "string", "Where it goes.", nil},
			{"method?", "string", "GET where it is not given.", nil},
			headers,
			{"body?", "string", "What is sent.", nil},
			json,
			timeout,
		}},
	}
}

func writeClass(w *strings.Builder, class, doc string, fields []field) {
	fmt.Fprintf(w, "\n---%s\n---@class perigee.%s\n", doc, class)
	for _, f := range fields {
		fmt.Fprintf(w, "---@field %s %s %s\n", f.name, f.kind, f.doc)
	}
}

// writeFunctions writes functions; owner ends with the dot or colon that stands before their names.
func writeFunctions(w *strings.Builder, owner string, functions []function) {
	for _, f := range functions {
		first, others, _ := strings.Cut(f.signature, "\n")
		s, _ := parseSignature(first) // a test has parsed it
		fmt.Fprintf(w, "\n---%s\n", f.doc)
		var names []string
		for _, p := range s.params {
			name, kind, _ := strings.Cut(p, ": ")
			fmt.Fprintf(w, "---@param %s %s\n", name, kind)
			names = append(names, strings.TrimSuffix(name, "?"))
		}
		for _, r := range s.returns {
			fmt.Fprintf(w, "---@return %s\n", r)
		}
		for other := range strings.Lines(others) {
			other = strings.TrimSuffix(other, "\n")
			if kind, method := strings.CutSuffix(owner, ":"); method {
				other = strings.Replace("(self: perigee."+kind+", "+other[1:], ", )", ")", 1)
			}
			fmt.Fprintf(w, "---@overload fun%s\n", other)
		}
		fmt.Fprintf(w, "function %s%s(%s) end\n", owner, f.name, strings.Join(names, ", "))
	}
}

// signature is how a function is called: parameters as "name?: type", and the types that it returns.
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
		return s, errors.New("after the brackets comes a colon and what is returned")
	}
	s.returns = splitList(rest)
	return s, nil
}

// closing returns where the bracket closes that stands before text, or -1.
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

// splitList splits at the commas that stand in no brackets.
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
