// Package lint finds names in scripts that nothing defines: undefined globals, and members that a module of the server, an object,
// or a library does not have. What exists is given to it. It must not know a running Lua, nor files.
//
// It reports only what it is sure of. It follows a variable that is never assigned again, a module from its require, the arguments
// of a function that is given to the server, and the results of the server's functions; it knows nothing about all other values.
package lint

import (
	"slices"
	"strings"
)

// Known describes what scripts find.
type Known struct {
	// Globals are the global variables by name; nil is one about whose members nothing is known.
	Globals map[string]*Table
	// Modules are the modules of the server, and Classes the kinds of objects and of tables of options, by the name in signatures.
	Modules, Classes map[string]*Table
	// Manager is the name of the module that managers extend, and Hooks are their methods that the server calls.
	Manager string
	Hooks   map[string]string
	// Instead returns what to write instead of a name of Lua that scripts do not have, such as "io" or "os.exit"; "" for others.
	Instead func(name string) string
}

// Table describes a module, a library or an object.
type Table struct {
	Name string // as findings show it: "server"
	// Members are the signatures of the functions and methods, and the types of the fields, in LuaCATS notation; "" is unknown.
	Members map[string]string
	// Attributes are fields that scripts may add to an object. Methods they cannot add.
	Attributes bool
	// Data means that scripts may add any members.
	Data bool

	globals bool // it is _G
	manager bool // it is the base manager, or a table that extends it
}

// Globals describes _G.
func Globals() *Table { return &Table{Name: "_G", globals: true} }

// portable reports whether another Lua, such as 5.2 or LuaJIT, has a global or a member of a library. Scripts that are written for
// several of them test such a name before they use it.
func portable(name string) bool {
	switch name {
	case "arg", "bit", "bit32", "collectgarbage", "debug", "dofile", "getfenv", "io", "jit", "load", "loadfile", "loadstring", "module",
		"newproxy", "ngx", "package", "rawlen", "setfenv", "utf8", "math.maxinteger", "math.mininteger", "math.tointeger", "math.type",
		"os.execute", "os.getenv", "string.dump", "string.gfind", "string.pack", "string.unpack", "table.foreach", "table.getn",
		"table.move", "table.new", "table.pack", "table.unpack":
		return true
	}
	return false
}

// sameTypes reports whether parameters have the same types.
func sameTypes(a, b []parameter) bool {
	return slices.EqualFunc(a, b, func(a, b parameter) bool { return a.typ == b.typ })
}

// value describes a Lua value as far as the walker knows it: its members, or its parameters and results. The zero value is unknown.
type value struct {
	table     *Table
	signature string // "(name: string): perigee.Topic"
}

// classPrefix stands before the names of classes in signatures.
const classPrefix = "perigee."

// valueOf returns what a type says about a value.
func (k Known) valueOf(typ string) value {
	typ = strings.TrimSpace(typ)
	if strings.HasPrefix(typ, "(") {
		return value{signature: typ}
	}
	if signature, ok := strings.CutPrefix(typ, "fun"); ok && strings.HasPrefix(signature, "(") {
		return value{signature: signature}
	}
	name, ok := strings.CutPrefix(strings.TrimSuffix(typ, "?"), classPrefix)
	if !ok {
		return value{}
	}
	return value{table: k.Classes[name]}
}

// overload returns the line of a signature that takes so many arguments, or the first one.
func overload(signature string, arguments int) string {
	for line := range strings.Lines(signature) {
		least, most := 0, 0
		for _, p := range parameters(line) {
			most++
			switch {
			case p.name == "...":
				most = arguments + 1
			case !strings.HasSuffix(p.name, "?"):
				least++
			}
		}
		if least <= arguments && arguments <= most {
			return strings.TrimSpace(line)
		}
	}
	first, _, _ := strings.Cut(signature, "\n")
	return first
}

// parameter is a parameter in a signature: "fields?: table".
type parameter struct{ name, typ string }

// parameters returns the parameters in a signature.
func parameters(signature string) (all []parameter) {
	inside, _ := splitSignature(signature)
	depth, start := 0, 0
	for i, c := range inside + "," {
		switch c {
		case '(', '<', '{', '[':
			depth++
		case ')', '>', '}', ']':
			depth--
		case ',':
			if depth > 0 {
				continue
			}
			if name, typ, _ := strings.Cut(inside[start:i], ":"); strings.TrimSpace(name) != "" {
				all = append(all, parameter{strings.TrimSpace(name), strings.TrimSpace(typ)})
			}
			start = i + 1
		}
	}
	return all
}

// result returns the type of the first result in a signature, or "".
func result(signature string) string {
	_, rest := splitSignature(signature)
	results, ok := strings.CutPrefix(strings.TrimSpace(rest), ":")
	if !ok {
		return ""
	}
	if results = strings.TrimSpace(results); strings.HasPrefix(results, "fun(") {
		return results
	}
	first, _, _ := strings.Cut(results, ",")
	return strings.TrimSpace(first)
}

// splitSignature returns what is between the outermost parentheses at the start of a signature, and what follows them.
func splitSignature(signature string) (inside, rest string) {
	depth := 0
	for i, c := range signature {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return signature[1:i], signature[i+1:]
			}
		}
	}
	return "", ""
}
