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
			{Name: "Gone", Protection: auth.None},
			{Name: "Narrow", Protection: auth.None, authorized: true},
			{Name: "Same", Protection: auth.Client, Owner: "who", Source: "a.lua:2"},
			{Name: "Strict", Protection: auth.None, Schema: true, schema: "{}"},
		},
		Commands:  []CommandRoute{{"A", "a.lua:3"}, {"B", "a.lua:4"}},
		Listeners: []ListenerRoute{{"Same", "A", "a.lua:5"}},
	}
	after := Routes{
		Messages: []MessageRoute{
			{Name: "Closed", Protection: auth.Client, Owner: "who"},
			{Name: "Narrow", Protection: auth.None},
			{Name: "New", Protection: auth.None},
			{Name: "Same", Protection: auth.Client, Owner: "who", Source: "b.lua:9"},
			{Name: "Strict", Protection: auth.Admin, Schema: true, schema: `{"type":"object"}`},
		},
		Commands:  []CommandRoute{{"A", "b.lua:3"}, {"C", "a.lua:4"}},
		Listeners: []ListenerRoute{{"Same", "C", "a.lua:5"}},
	}
	want := []Change{
		{"message", "Closed", "changed", "protection admin -> client (owner who)", true},
		{"message", "Gone", "removed", "", false},
		{"message", "Narrow", "changed", "authorize removed", true},
		{"message", "New", "added", "protection none", false},
		{"message", "Strict", "changed", "protection none -> admin, schema", false},
		{"command", "B", "removed", "", false},
		{"command", "C", "added", "", false},
		{"listener", "Same -> A", "removed", "", false},
		{"listener", "Same -> C", "added", "", false},
	}
	if got := before.Changes(after); !slices.Equal(got, want) {
		t.Errorf("Changes = %+v\nwant %+v", got, want)
	}
}
