package config

import (
	"reflect"
	"testing"
)

// Settings that a running server can change are replaced; the others keep their values and are listed.
func TestReload(t *testing.T) {
	now, others := Default(), Default()
	others.Server.Port, others.Server.Key = 9999, "correct horse battery"
	others.Limits.ReadLimit, others.Limits.Shards = 1*MiB, 7
	others.Lua.TurnTimeout = 2 * now.Lua.TurnTimeout
	others.State.File, others.Queue.Map = "elsewhere", map[string]string{"Add": "AddPrize"}
	others.App = map[string]any{"motto": "new"}
	others.Processes = map[string]Process{"say": {Command: []string{"/bin/echo"}}}
	merged, changes, need := now.Reload(others)
	wantNeed := []Change{
		{"server.port", 8080, 9999},
		{"limits.shards", 0, 7},
		{"queue.map", map[string]string{}, map[string]string{"Add": "AddPrize"}},
		{"state.file", "", "elsewhere"},
		{Name: "processes"}, // its environment may be secret
	}
	if !reflect.DeepEqual(need, wantNeed) {
		t.Errorf("needs a restart: %v, want %v", need, wantNeed)
	}
	if merged.Server.Port != now.Server.Port || merged.Limits.Shards != now.Limits.Shards || merged.State.File != "" || len(merged.Processes) > 0 {
		t.Errorf("merged = %+v, want what needs a restart as it was", merged)
	}
	if merged.Server.Key != others.Server.Key || merged.Limits.ReadLimit != others.Limits.ReadLimit ||
		merged.Lua.TurnTimeout != others.Lua.TurnTimeout || merged.App["motto"] != "new" {
		t.Errorf("merged = %+v, want the rest of the others", merged)
	}
	want := []Change{
		{Name: "server.key"},
		{"limits.read_limit", 64 * KiB, 1 * MiB},
		{"lua.turn_timeout", now.Lua.TurnTimeout, others.Lua.TurnTimeout},
		{Name: "app.motto"},
	}
	if !reflect.DeepEqual(changes, want) {
		t.Errorf("changes = %v, want %v", changes, want)
	}
	if _, changes, need := now.Reload(Default()); len(changes)+len(need) > 0 {
		t.Errorf("the same settings have changes %v and need a restart for %v, want nothing", changes, need)
	}
	if _, changes, _ := others.Reload(now); changes[len(changes)-1] != (Change{Name: "app.motto"}) {
		t.Errorf("without the motto: changes %v, want app.motto among them", changes)
	}
}
