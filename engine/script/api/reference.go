package api

import (
	"fmt"
	"regexp"
	"strings"
)

// Description describes a part of the Lua API that another package registers.
type Description struct {
	Modules []Module
	Kinds   []Kind

	// Globals are functions that need no require. Their section has a title and an introduction. Optional.
	Globals                  []Function
	GlobalsTitle, GlobalsDoc string
}

// Reference writes the descriptions of modules and objects as Markdown. Each module and kind of object has a heading, and
// so has each of its functions: "server.message" can be linked to as #servermessage.
type Reference struct{ strings.Builder }

// Module adds a module.
func (r *Reference) Module(m Module) {
	fmt.Fprintf(&r.Builder, "\n## %s\n\n%s `local %s = require \"%s\"`\n", m.Name, m.Doc, lastPart(m.Name), m.Name)
	r.fields(m.Fields)
	r.functions(lastPart(m.Name)+".", m.Functions)
}

// Kind adds a kind of object, or a table of options, which has no methods.
func (r *Reference) Kind(k Kind) {
	fmt.Fprintf(&r.Builder, "\n## %s\n\n%s\n", k.Class, k.Doc)
	r.fields(k.allFields())
	r.functions(strings.ToLower(k.Class)+":", k.Methods)
}

// Globals adds the global functions of a description.
func (r *Reference) Globals(d Description) {
	if d.Globals == nil {
		return
	}
	fmt.Fprintf(&r.Builder, "\n## %s\n\n%s\n", d.GlobalsTitle, d.GlobalsDoc)
	r.functions("", d.Globals)
}

func (r *Reference) fields(fields []Field) {
	if len(fields) == 0 {
		return
	}
	r.WriteString("\n| field | type | |\n|---|---|---|\n")
	for _, f := range fields {
		fmt.Fprintf(&r.Builder, "| `%s` | %s | %s |\n", f.Name, strings.ReplaceAll(typeName(f.Type), "|", `\|`), f.Doc)
	}
}

// functions adds functions; owner ends with the dot or colon that stands before their names.
func (r *Reference) functions(owner string, functions []Function) {
	for _, f := range functions {
		fmt.Fprintf(&r.Builder, "\n### %s%s\n\n", owner, f.Name)
		for line := range strings.Lines(f.Signature) {
			fmt.Fprintf(&r.Builder, "%s\n", typeName(owner+f.Name+strings.TrimSuffix(line, "\n")))
		}
		fmt.Fprintf(&r.Builder, "\n%s%s\n", f.Doc, see(f.Signature))
	}
}

// typePrefix stands before the names of types in signatures.
const typePrefix = "perigee."

// typeName returns a signature or type as code.
func typeName(text string) string { return "`" + strings.ReplaceAll(text, typePrefix, "") + "`" }

// optionTypes finds the tables of options that a signature takes.
var optionTypes = regexp.MustCompile(regexp.QuoteMeta(typePrefix) + `(\w+Options)`)

// see returns links to the tables of options that a signature takes.
func see(signature string) string {
	var links strings.Builder
	for _, found := range optionTypes.FindAllStringSubmatch(signature, -1) {
		fmt.Fprintf(&links, " Options: [%s](#%s).", found[1], strings.ToLower(found[1]))
	}
	return links.String()
}

// lastPart returns the name that scripts give a module: fields for manager.fields.
func lastPart(module string) string { return module[strings.LastIndexByte(module, '.')+1:] }

// Row returns a row of the table of contents.
func Row(name, doc string) string {
	return fmt.Sprintf("| [`%s`](#%s) | %s |\n", name, strings.ToLower(strings.ReplaceAll(name, ".", "")), doc)
}
