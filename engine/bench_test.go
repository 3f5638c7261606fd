package engine_test

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// answering is a manager that answers the message Ping, and sends nothing else.
const answering = `
local base = require("manager")
local server = require("server")
local echo = base:extend()
function echo:boot()
  server.message("Ping", { protection = "none" }, function(client, message)
    client:send("Pong", { number = message.number, text = message.text })
  end)
end
function echo:roster() end
return echo
`

// pingMessage is a message that the manager answers, and that echo sends back.
const pingMessage = `{"name":"Ping","number":1795384421,"text":"a message of about eighty bytes"}`

// startAnswering runs a server with the manager answering, without limits on connections and messages. change is optional.
func startAnswering(b *testing.B, change func(c *config.Config)) *enginetest.Server {
	b.Helper()
	dir := b.TempDir()
	write(b, dir, map[string]string{"echo.lua": answering})
	return enginetest.Start(b, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = dir, "echo"
		c.Server.MaxConnections = 0
		c.Limits.MessagesPerSecond, c.Limits.BytesPerSecond = 0, 0
		c.Limits.ConnectionsPerIP, c.Limits.ConnectsPerSecondPerIP = 0, 0
		if change != nil {
			change(c)
		}
	})
}

// Requests to a Lua handler, compared with a minimal gorilla/websocket server that runs no Lua and reads no JSON, over 100
// connections with 16 requests in flight each. ratio is the first divided by the second.
func BenchmarkRequests(b *testing.B) {
	ours := startAnswering(b, nil)
	plain := httptest.NewServer(http.HandlerFunc(echo))
	defer plain.Close()
	clients, others := connectRequesters(b, ours.Socket, "Pong"), connectRequesters(b, "ws"+strings.TrimPrefix(plain.URL, "http"), "Ping")
	for b.Loop() {
		_, lua := clients.measure(b, 16, 2*time.Second)
		_, without := others.measure(b, 16, 2*time.Second)
		b.ReportMetric(lua, "lua/s")
		b.ReportMetric(without, "gorilla/s")
		b.ReportMetric(lua/without, "ratio")
	}
}

// echo replies to each message with the message.
func echo(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{}
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		kind, text, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, text) != nil {
			return
		}
	}
}

// requesters are clients that send requests to a server.
type requesters struct {
	answer  string // name of the messages that answer pingMessage
	clients []*requester
}

type requester struct {
	socket   *websocket.Conn
	reader   *bufio.Reader
	answered int // in the present measurement
}

// connectRequesters opens 100 connections, each with an offer of subprotocols.
func connectRequesters(b *testing.B, url, answer string, protocols ...string) *requesters {
	b.Helper()
	dialer := websocket.Dialer{Subprotocols: protocols}
	r := &requesters{answer: answer}
	for range 100 {
		socket, _, err := dialer.DialContext(b.Context(), url, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = socket.Close() }) // it is used no more
		r.clients = append(r.clients, &requester{socket: socket, reader: bufio.NewReader(socket.NetConn())})
	}
	return r
}

// measure sends requests, inFlight from each client at once, and returns how many are answered, and how many per second.
func (r *requesters) measure(b *testing.B, inFlight int, length time.Duration) (answered int, perSecond float64) {
	b.Helper()
	batch := bytes.Repeat(masked(outbox.TextFrame, pingMessage), inFlight)
	var wg sync.WaitGroup
	began := time.Now()
	for _, c := range r.clients {
		c.answered = 0
		wg.Go(func() {
			for time.Since(began) < length {
				if err := c.exchange(batch, r.answer, inFlight); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began).Seconds()
	for _, c := range r.clients {
		answered += c.answered
	}
	return answered, float64(answered) / took
}

// exchange sends a batch of requests and reads frames until all of them are answered. It answers pings.
func (c *requester) exchange(batch []byte, answer string, want int) error {
	raw, mark := c.socket.NetConn(), `"name":"`+answer+`"`
	if err := raw.SetReadDeadline(time.Now().Add(testkit.Timeout)); err != nil {
		return err
	}
	if _, err := raw.Write(batch); err != nil {
		return err
	}
	for got := 0; got < want; {
		first, payload, err := testkit.ReadFrame(c.reader)
		switch {
		case err != nil:
			return err
		case first == outbox.PingFrame:
			if _, err := raw.Write(masked(outbox.PongFrame, payload)); err != nil {
				return err
			}
		case strings.Contains(payload, mark):
			got++
		}
	}
	c.answered += want
	return nil
}

// masked returns a frame of a client (RFC 6455, 5.2) with a payload of less than 126 bytes, masked with zeros.
func masked(first byte, payload string) []byte {
	return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}
