package engine_test

import (
	"net/http"
	"strings"
	"testing"

	"perigee/engine/config"
	"perigee/engine/enginetest"
)

// from has the header of a request that a trusted proxy passes on for an address.
func from(address string) http.Header { return http.Header{"X-Forwarded-For": {address}} }

// upgrade asks for a WebSocket, and returns the status of the answer.
func upgrade(t *testing.T, server *enginetest.Server, header http.Header) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header.Clone()
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // has been answered
	return response.StatusCode
}

// What a limit refuses is logged with the name and the value of the setting, however often it happens in a minute only once.
func TestRefusalsAreLogged(t *testing.T) {
	other := otherServer(t)
	server := application(t, `
function app:boot()
  base.boot(self)
  server.message("Try", { protection = "none" }, function(client, message)
    for i = 1, 3 do
      pcall(server.register, "topic " .. i)
      pcall(server.register, "listed topic " .. i, { listed = true })
      pcall(function() server.topic("topic " .. i):subscribe(client) end)
    end
    http.get(server.config.url .. "/large")
    http.get(server.config.url .. "/large")
    client:send("Tried")
  end)
end`, func(c *config.Config) {
		c.App = map[string]any{"url": other.URL}
		c.Server.MaxConnections, c.Server.TrustedProxies = 4, []string{"127.0.0.1"}
		c.Limits.ConnectionsPerIP, c.Limits.ConnectsPerSecondPerIP, c.Limits.ConnectsBurstPerIP = 1, 1, 2
		c.Limits.MessagesPerSecond, c.Limits.MessagesBurst, c.Limits.MaxBadMessages = 1, 9, 4
		c.Limits.ReadLimit, c.Limits.JSONDepth, c.Limits.JSONKeys = 2*config.KiB, 3, 7
		c.Limits.Subscriptions, c.Limits.Topics, c.Limits.ListedTopics = 1, 4, 1
	})
	expect := func(lines ...string) {
		t.Helper()
		for _, line := range lines {
			if n := strings.Count(server.Log(), `level=WARN msg="limit reached" setting=`+line+" "); n != 1 {
				t.Errorf("the log has %q %d times, want once", line, n)
			}
		}
	}
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Try"}`)
	for f := alice.Next(); f.Name() != "Tried"; f = alice.Next() {
		continue
	}
	expect("limits.topics value=4", "limits.listed_topics value=1", "limits.subscriptions value=1", "http.max_body value=1MiB")
	for range 2 {
		alice.Send(`{"name":"Deep","x":[[[[]]]]}`)
		alice.Send(`{"name":"Keys","x":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}}`)
	}
	alice.Send(`{"name":"Unknown"}`)
	if code, _ := alice.ExpectClose(); code != 1008 {
		t.Errorf("alice is closed with %d, want 1008", code)
	}
	expect("limits.json_depth value=3", "limits.json_keys value=7", "limits.max_bad_messages value=4")
	for range 2 {
		bob := server.Dial(t, "bob")
		bob.Send(`{"name":"` + strings.Repeat("x", 3<<10) + `"}`)
		if code, _ := bob.ExpectClose(); code != 1009 {
			t.Errorf("bob is closed with %d, want 1009", code)
		}
	}
	expect("limits.read_limit value=2KiB")
	carol := server.Dial(t, "carol")
	for range 40 {
		_ = carol.TrySend(`{"name":"Authenticate"}`) // it is closed meanwhile
	}
	if code, _ := carol.ExpectClose(); code != 4429 {
		t.Errorf("carol is closed with %d, want 4429", code)
	}
	expect("limits.messages_per_second value=1", "limits.messages_burst value=9")
	server.Open(t, "dora", from("203.0.113.1"))
	if status := upgrade(t, server, from("203.0.113.1")); status != http.StatusTooManyRequests {
		t.Errorf("the second connection of an address gets %d, want 429", status)
	}
	expect("limits.connections_per_ip value=1")
	for range 2 {
		if status := upgrade(t, server, from("203.0.113.1")); status != http.StatusTooManyRequests {
			t.Errorf("the third connection of an address within a second gets %d, want 429", status)
		}
	}
	expect("limits.connects_per_second_per_ip value=1")
	for full := false; !full; {
		f := server.Open(t, "more", nil).Next()
		full = f["exception"] == "TooManyConnections"
	}
	server.Open(t, "one more", nil)
	expect("server.max_connections value=4")
}
