package report

import (
	"fmt"
	"strings"

	"perigee/engine/manager"
	"perigee/engine/schema"
)

// TypeScript returns the messages that clients may send as a type for the client library: their fields by their names.
func TypeScript(routes manager.Routes) (string, error) {
	var w strings.Builder
	w.WriteString("// Written by perigee types --language typescript: what clients may send.\n\nexport type Outgoing = {\n")
	for _, m := range routes.Messages {
		fields := "Record<string, unknown>"
		if m.Schema {
			var err error
			if fields, err = schema.TypeScript(m.SchemaText(), "id", "name", "timestamp"); err != nil {
				return "", fmt.Errorf("types: message %q: %w", m.Name, err)
			}
		}
		fmt.Fprintf(&w, "  %s: %s;\n", schema.PropertyName(m.Name), fields)
	}
	w.WriteString("};\n")
	return w.String(), nil
}
