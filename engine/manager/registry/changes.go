package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"perigee/engine/auth"
)

// Change is a difference between what two generations of scripts register.
type Change struct {
	// Kind is "message", "command" or "listener". The Name of a listener is "Message -> Command".
	Kind, Name string
	// What is "added", "removed" or "changed".
	What string
	// Detail is the protection of a message that was added, or how a message or a command changed: "protection admin -> none".
	Detail string
	// Weaker reports whether more clients may send the message than before.
	Weaker bool
}

// Changes returns the changes from r to next, sorted by kind and name. The places of the declarations do not matter.
func (r Routes) Changes(next Routes) []Change {
	var all []Change
	before, after := r.byName(), next.byName()
	for _, name := range sortedNames(before, after) {
		was, existed := before[name]
		is, exists := after[name]
		switch {
		case !existed:
			all = append(all, Change{Kind: "message", Name: name, What: "added", Detail: "protection " + is.protection()})
		case !exists:
			all = append(all, Change{Kind: "message", Name: name, What: "removed"})
		default:
			if detail := was.differences(is); detail != "" {
				all = append(all, Change{
					Kind: "message", Name: name, What: "changed", Detail: detail,
					Weaker: was.weakened(is),
				})
			}
		}
	}
	all = append(all, namedChanges("command", r.commandSchemas(), next.commandSchemas())...)
	return append(all, namedChanges("listener", r.listenerNames(), next.listenerNames())...)
}

// weakened reports whether next may let clients send the message that m does not.
func (m MessageRoute) weakened(next MessageRoute) bool {
	switch {
	case next.Protection > m.Protection:
		return true
	case next.Protection == auth.Admin: // roles do not matter to admins
	case len(m.Roles) > 0 && (len(next.Roles) == 0 || slices.ContainsFunc(next.Roles, func(role string) bool { return !slices.Contains(m.Roles, role) })):
		return true
	}
	return next.Protection == m.Protection && m.authorized && !next.authorized
}

// protection returns the protection of a message, with its owner and its roles if it has them.
func (m MessageRoute) protection() string {
	var narrowed []string
	if m.Protection == auth.Client {
		narrowed = append(narrowed, "owner "+m.Owner)
	}
	if len(m.Roles) > 0 {
		narrowed = append(narrowed, "roles "+strings.Join(m.Roles, ", "))
	}
	if narrowed == nil {
		return m.Protection.String()
	}
	return fmt.Sprintf("%s (%s)", m.Protection, strings.Join(narrowed, "; "))
}

func (m MessageRoute) differences(other MessageRoute) string {
	var all []string
	if m.protection() != other.protection() {
		all = append(all, fmt.Sprintf("protection %s -> %s", m.protection(), other.protection()))
	}
	if m.authorized != other.authorized {
		all = append(all, addedOrRemoved("authorize", other.authorized))
	}
	if m.schema != other.schema {
		all = append(all, schemaDifference(m.schema, other.schema))
	}
	return strings.Join(all, ", ")
}

// schemaDifference describes how the text of a schema differs from another; "" means that there is no schema.
func schemaDifference(before, after string) string {
	if before != "" && after != "" {
		return "schema"
	}
	return addedOrRemoved("schema", after != "")
}

// addedOrRemoved returns the text "NAME added" or "NAME removed".
func addedOrRemoved(what string, added bool) string {
	if added {
		return what + " added"
	}
	return what + " removed"
}

func (r Routes) byName() map[string]MessageRoute {
	messages := map[string]MessageRoute{}
	for _, m := range r.Messages {
		messages[m.Name] = m
	}
	return messages
}

// commandSchemas returns the schemas of commands by name; "" is a command without one.
func (r Routes) commandSchemas() map[string]string {
	schemas := map[string]string{}
	for _, c := range r.Commands {
		schemas[c.Name] = c.schema
	}
	return schemas
}

// listenerNames returns the names of listeners, which have no schema.
func (r Routes) listenerNames() map[string]string {
	names := map[string]string{}
	for _, l := range r.Listeners {
		names[l.Message+" -> "+l.Command] = ""
	}
	return names
}

// namedChanges returns the changes of things that have a name, and perhaps a schema.
func namedChanges(kind string, before, after map[string]string) []Change {
	var all []Change
	for _, name := range sortedNames(before, after) {
		was, existed := before[name]
		is, exists := after[name]
		switch {
		case !existed:
			all = append(all, Change{Kind: kind, Name: name, What: "added"})
		case !exists:
			all = append(all, Change{Kind: kind, Name: name, What: "removed"})
		case was != is:
			all = append(all, Change{Kind: kind, Name: name, What: "changed", Detail: schemaDifference(was, is)})
		}
	}
	return all
}

func sortedNames[V any](a, b map[string]V) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}
