package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"perigee/engine/testkit"
)

// echoes is an application that answers each message with its number, and counts the connections that it has seen.
const echoes = `
local base = require "manager"
local server = require "server"
local app = base:extend()
local seen = server.state("seen", { opened = 0, closed = 0 })
function app:boot()
  base.boot(self)
  server.message("Echo", { protection = "none" }, function(client, message)
    client:send("Echoed", { n = message.n, uuid = client.uuid, opened = seen.opened, closed = seen.closed })
  end)
end
function app:open(client)
  base.open(self, client)
  seen.opened = seen.opened + 1
end
function app:close()
  seen.closed = seen.closed + 1
end
function app:roster()
  return nil
end
return app`

// visitor is a client that comes back to its connection after each restart.
type visitor struct {
	testkit.Resumption
	socket *websocket.Conn
	uuid   string
	said   []string // all messages
	echoed int      // of those
}

// toVisitor is a frame to a visitor.
type toVisitor struct {
	Name, UUID        string
	N, Opened, Closed int
	Connection        struct{ UUID string }
}

// connect opens the connection of a visitor, or comes back to it.
func (v *visitor) connect(ctx context.Context, address string) error {
	dialer := websocket.Dialer{Subprotocols: v.Protocols(), HandshakeTimeout: testkit.Timeout}
	var err error
	if v.socket, _, err = dialer.DialContext(ctx, "ws://"+address, nil); err != nil {
		return err
	}
	_, first, err := v.socket.ReadMessage()
	if err != nil {
		return err
	}
	taken, err := v.Begin(first)
	if err != nil {
		return err
	}
	for _, text := range v.said[taken:] {
		if err := v.socket.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// say sends a message, which may be lost with the connection.
func (v *visitor) say() {
	text := fmt.Sprintf(`{"name":"Echo","n":%d}`, len(v.said)+1)
	v.said = append(v.said, text)
	_ = v.socket.WriteMessage(websocket.TextMessage, []byte(text)) // it is sent again
}

// read reads a frame. Each answer must be the next one, from the same connection.
func (v *visitor) read() (toVisitor, error) {
	_, text, err := v.socket.ReadMessage()
	if err != nil {
		return toVisitor{}, err
	}
	v.Received++
	var frame toVisitor
	if err := json.Unmarshal(text, &frame); err != nil {
		return toVisitor{}, err
	}
	switch frame.Name {
	case "ConnectionEstablished":
		v.uuid = frame.Connection.UUID
	case "Echoed":
		if v.echoed++; frame.N != v.echoed || frame.UUID != v.uuid || frame.Closed != 0 {
			return toVisitor{}, fmt.Errorf("heard %+v, want answer %d to %s, and no connection closed", frame, v.echoed, v.uuid)
		}
	}
	return frame, nil
}

// readAll reads until every message is answered.
func (v *visitor) readAll() (opened int, err error) {
	for v.echoed < len(v.said) {
		frame, err := v.read()
		if err != nil {
			return 0, err
		}
		opened = max(opened, frame.Opened)
	}
	return opened, nil
}

// readToEnd reads until the server closes.
func (v *visitor) readToEnd() error {
	for {
		if _, err := v.read(); err != nil {
			_ = v.socket.Close()
			if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code == websocket.CloseGoingAway {
				return nil
			}
			return err
		}
	}
}

// Clients come back to their connections after every orderly restart. They miss nothing, and each of their messages is handled once,
// also those that were under way.
func TestRestartsKeepConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("several starts of the server take some seconds")
	}
	restarts, clients := testkit.Scale(3, 100), testkit.Scale(20, 200)
	s := newVictim(t, "--queue-address", "127.0.0.1:1")
	if err := os.WriteFile(filepath.Join(s.dir, "scripts", "app.lua"), []byte(echoes), 0o600); err != nil {
		t.Fatal(err)
	}
	s.arguments = append(s.arguments, "--queue-driver", "memory", "--max-connections", "0")
	s.start(t)
	visitors := make([]visitor, clients)
	each := func(what string, do func(v *visitor) error) {
		t.Helper()
		var doing sync.WaitGroup
		for i := range visitors {
			doing.Go(func() {
				if err := do(&visitors[i]); err != nil {
					t.Errorf("%s: visitor %d: %v", what, i, err)
				}
			})
		}
		doing.Wait()
	}
	address := s.address(t)
	each("connect", func(v *visitor) error { return v.connect(t.Context(), address) })
	var opened int
	for range restarts {
		var ending sync.WaitGroup
		ending.Go(func() {
			each("until the stop", func(v *visitor) error {
				for range 5 {
					v.say()
				}
				return v.readToEnd()
			})
		})
		s.stop(t)
		ending.Wait()
		if t.Failed() {
			t.FailNow()
		}
		s.start(t)
		address := s.address(t)
		each("come back", func(v *visitor) error { return v.connect(t.Context(), address) })
	}
	var mu sync.Mutex
	each("answers", func(v *visitor) error {
		v.say()
		last, err := v.readAll()
		mu.Lock()
		defer mu.Unlock()
		opened = max(opened, last)
		return err
	})
	s.stop(t)
	testkit.Measured(t, "%d orderly restarts with %d clients: all came back complete, %d messages each answered once", restarts, clients, clients*len(visitors[0].said))
	if opened != clients {
		t.Errorf("%d connections were opened, want %d: nobody is new", opened, clients)
	}
}
