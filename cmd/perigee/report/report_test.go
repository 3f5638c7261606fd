package report

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"perigee/engine"
	"perigee/engine/auth"
	"perigee/engine/config"
	"perigee/engine/console"
	"perigee/engine/manager"
	"perigee/engine/manager/registry"
	"perigee/engine/queue"
)

// Empty lists are [], never null.
func TestListsAreNeverNull(t *testing.T) {
	for name, r := range map[string]any{
		"reload":        NewReload(engine.Reload{}),
		"routes":        console.NewRoutes(manager.Routes{}),
		"check":         NewCheck(engine.Status{}, nil),
		"failed check":  NewCheck(engine.Status{}, errors.New("no manager")),
		"comparison":    NewComparison(NewReload(engine.Reload{}), nil),
		"no comparison": NewComparison(Reload{}, errors.New("no server")),
		"queue failed":  NewFailures(nil),
	} {
		text, err := json.Marshal(r)
		if err != nil || strings.Contains(string(text), "null") {
			t.Errorf("%s = %s, %v, want JSON without null", name, text, err)
		}
	}
}

// The line of a reload has all changes, or says that there are none.
func TestReloadLine(t *testing.T) {
	for _, row := range []struct {
		reload engine.Reload
		want   string
	}{
		{engine.Reload{Generation: 2}, "reloaded: generation 2, in 0s: no message, command or setting was added, removed or changed"},
		{engine.Reload{
			Generation: 3,
			Changes: []registry.Change{
				{Kind: "message", Name: "Ring", What: "changed", Detail: "admin -> none", Weaker: true},
				{Kind: "command", Name: "Halt", What: "removed"},
			},
			Settings: []config.Change{
				{Name: "lua.drain", Before: "10s", After: "5s"},
				{Name: "server.key"},
			},
			NeedsRestart: []config.Change{{Name: "server.port", Before: 8080, After: 8081}, {Name: "processes"}},
			Warnings:     []string{"a sentence"},
		}, `reloaded: generation 3, in 0s: message Ring changed (admin -> none (weaker)); command Halt removed; ` +
			`setting lua.drain changed ("10s" -> "5s"); setting server.key changed; needs restart: server.port (8080 -> 8081); needs restart: processes; a sentence`},
	} {
		if got := NewReload(row.reload).Line(); got != row.want {
			t.Errorf("Line = %s, want %s", got, row.want)
		}
	}
}

// A failed job is one row, even if its reason has several lines or its command is unknown.
func TestFailuresAreRows(t *testing.T) {
	got := NewFailures([]queue.Failure{{ID: 7, Attempt: 1, Reason: "first\nsecond", Buried: true}}).String()
	if rows := strings.Split(strings.TrimSpace(got), "\n"); len(rows) != 2 || !strings.HasPrefix(rows[1], "7\t") || !strings.HasSuffix(rows[1], "\t-\t1\tburied\tfirst") {
		t.Errorf("String = %q, want a head and one row of job 7, without a command, buried, with the first line of its reason", got)
	}
}

// A server is healthy if it accepts clients and no script blocks it.
func TestProblem(t *testing.T) {
	for s, want := range map[Status]string{
		{Ready: true, Responds: true}:  "",
		{Ready: false, Responds: true}: "it is stopping",
		{Ready: true, Responds: false}: "blocked by a script",
	} {
		if got := s.Problem(); got != want {
			t.Errorf("Problem of %+v = %q, want %q", s, got, want)
		}
	}
}

// Roles have a column only if some message has roles, and stand in the JSON of those that have.
func TestMessagesWithRoles(t *testing.T) {
	routes := manager.Routes{Messages: []registry.MessageRoute{
		{Name: "Answer", Protection: auth.None, Roles: []string{"agent", "lead"}, Source: "a.lua:1"},
		{Name: "Ring", Protection: auth.None, Source: "a.lua:2"},
	}}
	want := "MESSAGE\tPROTECTION\tOWNER\tROLES\tSCHEMA\tDECLARED AT\nAnswer\tnone\t-\tagent,lead\tno\ta.lua:1\nRing\tnone\t-\t-\tno\ta.lua:2\n"
	if got := Messages(routes); got != want {
		t.Errorf("Messages = %q, want %q", got, want)
	}
	if got := console.NewRoutes(routes).Messages; !slices.Equal(got[0].Roles, []string{"agent", "lead"}) || got[1].Roles != nil {
		t.Errorf("NewRoutes = %+v, want the roles of Answer", got)
	}
	routes.Messages = routes.Messages[1:]
	if want, got := "MESSAGE\tPROTECTION\tOWNER\tSCHEMA\tDECLARED AT\nRing\tnone\t-\tno\ta.lua:2\n", Messages(routes); got != want {
		t.Errorf("Messages = %q, want %q", got, want)
	}
}
