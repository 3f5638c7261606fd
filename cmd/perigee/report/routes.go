package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"perigee/engine/manager"
	"perigee/engine/manager/registry"
)

// Tables lists messages, commands and listeners for people.
func Tables(routes manager.Routes) string {
	var w strings.Builder
	w.WriteString(Messages(routes) + "\nCOMMAND\tSCHEMA\tDECLARED AT\n")
	for _, c := range routes.Commands {
		fmt.Fprintf(&w, "%s\t%s\t%s\n", c.Name, yesOrNo(c.Schema), c.Source)
	}
	w.WriteString("\nAFTER MESSAGE\tRUNS COMMAND\tSCHEMA\tDECLARED AT\n")
	for _, l := range routes.Listeners {
		fmt.Fprintf(&w, "%s\t%s\t%s\n", l.Message, l.Command, l.Source)
	}
	return w.String()
}

// Messages lists the messages and who may send them. Roles have a column if any message has roles.
func Messages(routes manager.Routes) string {
	var w strings.Builder
	row := func(name, protection, owner, roles, schema, source string) {
		fmt.Fprintf(&w, "%s\t%s\t%s\t%s%s\t%s\n", name, protection, owner, roles, schema, source)
	}
	hasRoles := slices.ContainsFunc(routes.Messages, func(m registry.MessageRoute) bool { return len(m.Roles) > 0 })
	roles := ""
	if hasRoles {
		roles = "ROLES\t"
	}
	row("MESSAGE", "PROTECTION", "OWNER", roles, "SCHEMA", "DECLARED AT")
	for _, m := range routes.Messages {
		if hasRoles {
			roles = cmp.Or(strings.Join(m.Roles, ","), "-") + "\t"
		}
		row(m.Name, m.Protection.String(), cmp.Or(m.Owner, "-"), roles, yesOrNo(m.Schema), m.Source)
	}
	return w.String()
}

func yesOrNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
