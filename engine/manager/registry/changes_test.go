package registry

import (
	"slices"
	"testing"

	"perigee/engine/auth"
)

// Changes name each message that clients can send since the reload, and each protection that became weaker.
func TestChanges(t *testing.T) {
	before := Routes{
		Messages: []MessageRoute{
			{Name: "Closed", Protection: auth.Admin, Source: "a.lua:1"},
			{Name: "Freed", Protection: auth.None, Roles: []string{"agent"}},
			{Name: "Gone", Protection: auth.None},
			{Name: "Narrow", Protection: auth.None, authorized: true},
			{Name: "Owned", Protection: auth.None, Roles: []string{"agent", "lead"}},
			{Name: "Raised", Protection: auth.Client, Owner: "who", Roles: []string{"agent"}},
			{Name: "Same", Protection: auth.Client, Owner: "who", Source: "a.lua:2"},
			{Name: "Shared", Protection: auth.None, Roles: []string{"agent"}},
			{Name: "Strict", Protection: auth.None, Schema: true, schema: "{}"},
		},
		Commands:  []CommandRoute{{"A", false, "a.lua:3", ""}, {"B", false, "a.lua:4", ""}, {"Checked", true, "a.lua:6", "{}"}, {"Same", true, "a.lua:7", "{}"}},
		Listeners: []ListenerRoute{{"Same", "A", "a.lua:5"}},
	}
	after := Routes{
		Messages: []MessageRoute{
			{Name: "Closed", Protection: auth.Client, Owner: "who"},
			{Name: "Freed", Protection: auth.None},
			{Name: "Narrow", Protection: auth.None},
			{Name: "New", Protection: auth.None, Roles: []string{"agent"}},
			{Name: "Owned", Protection: auth.Client, Owner: "who", Roles: []string{"agent"}},
			{Name: "Raised", Protection: auth.Admin},
			{Name: "Same", Protection: auth.Client, Owner: "who", Source: "b.lua:9"},
			{Name: "Shared", Protection: auth.None, Roles: []string{"agent", "guest"}},
			{Name: "Strict", Protection: auth.Admin, Schema: true, schema: `{"type":"object"}`},
		},
		Commands:  []CommandRoute{{"A", true, "b.lua:3", "{}"}, {"C", false, "a.lua:4", ""}, {"Checked", false, "b.lua:6", ""}, {"Same", true, "b.lua:7", "{}"}},
		Listeners: []ListenerRoute{{"Same", "C", "a.lua:5"}},
	}
	want := []Change{
		{"message", "Closed", "changed", "protection admin -> client (owner who)", true},
		{"message", "Freed", "changed", "protection none (roles agent) -> none", true},
		{"message", "Gone", "removed", "", false},
		{"message", "Narrow", "changed", "authorize removed", true},
		{"message", "New", "added", "protection none (roles agent)", false},
		{"message", "Owned", "changed", "protection none (roles agent, lead) -> client (owner who; roles agent)", false},
		{"message", "Raised", "changed", "protection client (owner who; roles agent) -> admin", false},
		{"message", "Shared", "changed", "protection none (roles agent) -> none (roles agent, guest)", true},
		{"message", "Strict", "changed", "protection none -> admin, schema", false},
		{"command", "A", "changed", "schema added", false},
		{"command", "B", "removed", "", false},
		{"command", "C", "added", "", false},
		{"command", "Checked", "changed", "schema removed", false},
		{"listener", "Same -> A", "removed", "", false},
		{"listener", "Same -> C", "added", "", false},
	}
	if got := before.Changes(after); !slices.Equal(got, want) {
		t.Errorf("Changes = %+v\nwant %+v", got, want)
	}
}
