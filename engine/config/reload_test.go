package config

import (
	"slices"
	"testing"
)

// What a running server can change is taken over, the rest stays as it is and is named.
func TestReload(t *testing.T) {
	now, others := Default(), Default()
	others.Server.Port, others.Server.Key = 9999, "correct horse battery"
	others.Limits.ReadLimit, others.Limits.Shards = 1<<20, 7
	others.Lua.TurnTimeout = 2 * now.Lua.TurnTimeout
	others.State.File = "elsewhere"
	others.App = map[string]any{"motto": "new"}
	others.Processes = map[string]Process{"say": {Command: []string{"/bin/echo"}}}
	merged, need := now.Reload(others)
	if want := []string{"server.port", "limits.shards", "state.file", "processes"}; !slices.Equal(need, want) {
		t.Errorf("needs a restart: %q, want %q", need, want)
	}
	if merged.Server.Port != now.Server.Port || merged.Limits.Shards != now.Limits.Shards || merged.State.File != "" || len(merged.Processes) > 0 {
		t.Errorf("merged = %+v, want what needs a restart as it was", merged)
	}
	if merged.Server.Key != others.Server.Key || merged.Limits.ReadLimit != others.Limits.ReadLimit ||
		merged.Lua.TurnTimeout != others.Lua.TurnTimeout || merged.App["motto"] != "new" {
		t.Errorf("merged = %+v, want the rest of the others", merged)
	}
	if _, need := now.Reload(Default()); len(need) > 0 {
		t.Errorf("the same settings need a restart for %q, want nothing", need)
	}
}
