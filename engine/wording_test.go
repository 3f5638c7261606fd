package engine_test

import (
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
)

// The log describes the fault of a hook of the manager, or names the setting that ended a turn, with the line of the script.
func TestWordingOfTheLog(t *testing.T) {
	const boot = "function app:boot() base.boot(self) server.message(\"Go\", { protection = \"none\" }, function() error(\"no\") end) end\n"
	rows := []struct{ app, want string }{
		{strings.Replace(boot, `error("no")`, "while true do end", 1), `app.lua:7: time limit exceeded (lua.turn_timeout)"`},
		{boot + "function app:open(client) base.open(client) end", `app.lua:8: open got no client: write function manager:open(client) and base.open(self, client)"`},
		{boot + "function app.open(c) base.open(self, c) end", `app.lua:8: open got no client: write function manager:open(client) and base.open(self, client)"`},
		{boot + "function app:open(client) client:send(\"Hello\") end", `level=WARN msg="script: a connection was opened and no ConnectionEstablished sent: write base.open(self, client) in manager:open" manager=app`},
	}
	for _, row := range rows {
		server := application(t, row.app, func(c *config.Config) {
			if strings.Contains(row.app, "while") {
				c.Lua.TurnTimeout = config.Duration(100 * time.Millisecond)
			}
		})
		for _, name := range []string{"alice", "bob"} {
			client := server.Open(t, name, nil)
			client.Send(`{"name":"Go"}`)
			for client.Next()["name"] != "MessageException" {
				continue
			}
		}
		if n := strings.Count(server.Log(), row.want); n == 0 || strings.Contains(row.want, "WARN") && n != 1 {
			t.Errorf("%s\nthe log says\n%swant %s, a warning once", row.app, server.Log(), row.want)
		}
	}
}
