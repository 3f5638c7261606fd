package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"perigee/engine/auth"
)

// Change is something that scripts register otherwise than others do.
type Change struct {
	// Kind is "message", "command" or "listener". Name is its name; of a listener "Message -> Command".
	Kind, Name string
	// What is "added", "removed" or "changed".
	What string
	// Detail says what a message is like, or how it changed: "protection admin -> none".
	Detail string
	// Weaker tells that more people may send the message than before.
	Weaker bool
}

// Changes returns how others differ from these, sorted by kind and name. Where something is declared does not count.
func (r Routes) Changes(others Routes) []Change {
	var all []Change
	before, after := r.byName(), others.byName()
	for _, name := range sortedNames(before, after) {
		was, there := before[name]
		is, stays := after[name]
		switch {
		case !there:
			all = append(all, Change{Kind: "message", Name: name, What: "added", Detail: "protection " + is.guard()})
		case !stays:
			all = append(all, Change{Kind: "message", Name: name, What: "removed"})
		default:
			if detail := was.differences(is); detail != "" {
				all = append(all, Change{
					Kind: "message", Name: name, What: "changed", Detail: detail,
					Weaker: is.Protection > was.Protection || is.Protection == was.Protection && was.authorized && !is.authorized,
				})
			}
		}
	}
	all = append(all, namedChanges("command", r.commandNames(), others.commandNames())...)
	return append(all, namedChanges("listener", r.listenerNames(), others.listenerNames())...)
}

// guard says who may send a message.
func (m MessageRoute) guard() string {
	if m.Protection == auth.Client {
		return fmt.Sprintf("%s (owner %s)", m.Protection, m.Owner)
	}
	return m.Protection.String()
}

func (m MessageRoute) differences(other MessageRoute) string {
	var all []string
	if m.Protection != other.Protection || m.Owner != other.Owner {
		all = append(all, fmt.Sprintf("protection %s -> %s", m.guard(), other.guard()))
	}
	if m.authorized != other.authorized {
		all = append(all, presence("authorize", other.authorized))
	}
	switch {
	case m.Schema != other.Schema:
		all = append(all, presence("schema", other.Schema))
	case m.schema != other.schema:
		all = append(all, "schema")
	}
	return strings.Join(all, ", ")
}

// presence says that something has come or gone.
func presence(what string, now bool) string {
	if now {
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

func (r Routes) commandNames() map[string]bool {
	names := map[string]bool{}
	for _, c := range r.Commands {
		names[c.Name] = true
	}
	return names
}

func (r Routes) listenerNames() map[string]bool {
	names := map[string]bool{}
	for _, l := range r.Listeners {
		names[l.Message+" -> "+l.Command] = true
	}
	return names
}

// namedChanges are those of things that have no more than a name.
func namedChanges(kind string, before, after map[string]bool) []Change {
	var all []Change
	for _, name := range sortedNames(before, after) {
		switch {
		case !before[name]:
			all = append(all, Change{Kind: kind, Name: name, What: "added"})
		case !after[name]:
			all = append(all, Change{Kind: kind, Name: name, What: "removed"})
		}
	}
	return all
}

func sortedNames[V any](a, b map[string]V) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}
