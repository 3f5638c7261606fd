package engine_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// Requests to a Lua handler, compared with a minimal gorilla/websocket server that runs no Lua and reads no JSON, over 100
// connections with 16 requests in flight each. ratio is the first divided by the second.
func BenchmarkRequests(b *testing.B) {
	const connections, inFlight = 100, 16
	dir := b.TempDir()
	write(b, dir, map[string]string{"echo.lua": `
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
`})
	ours := enginetest.Start(b, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = dir, "echo"
		c.Server.MaxConnections = 0
		c.Limits.MessagesPerSecond, c.Limits.BytesPerSecond = 0, 0
		c.Limits.ConnectionsPerIP, c.Limits.ConnectsPerSecondPerIP = 0, 0
	})
	plain := httptest.NewServer(http.HandlerFunc(echo))
	defer plain.Close()
	ask := `{"name":"Ping","number":1795384421,"text":"a message of about eighty bytes"}`
	for b.Loop() {
		lua := requests(b, ours.Socket, ask, "Pong", connections, inFlight)
		without := requests(b, "ws"+strings.TrimPrefix(plain.URL, "http"), ask, "Ping", connections, inFlight)
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

// requests sends requests for two seconds and returns the number of replies per second.
func requests(b *testing.B, url, ask, answer string, connections, inFlight int) float64 {
	b.Helper()
	batch := bytes.Repeat(masked(ask), inFlight)
	var counts [1024]int
	var wg sync.WaitGroup
	began := time.Now()
	for i := range connections {
		wg.Go(func() {
			socket, _, err := websocket.DefaultDialer.DialContext(b.Context(), url, nil)
			if err != nil {
				b.Error(err)
				return
			}
			defer socket.Close()
			raw, reader := socket.NetConn(), bufio.NewReader(socket.NetConn())
			for time.Since(began) < 2*time.Second {
				if _, err := raw.Write(batch); err != nil {
					b.Error(err)
					return
				}
				n, err := take(raw, reader, answer, inFlight)
				counts[i] += n
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(began).Seconds()
}

// take reads frames until want frames of the name have come.
func take(raw net.Conn, reader *bufio.Reader, name string, want int) (n int, err error) {
	if err := raw.SetReadDeadline(time.Now().Add(testkit.Timeout)); err != nil {
		return 0, err
	}
	mark := []byte(`"name":"` + name + `"`)
	for n < want {
		header, err := reader.Peek(2)
		if err != nil {
			return n, err
		}
		length, skip := int(header[1]&127), 2
		switch length {
		case 126:
			if header, err = reader.Peek(4); err != nil {
				return n, err
			}
			length, skip = int(binary.BigEndian.Uint16(header[2:])), 4
		case 127:
			return n, errors.New("a frame larger than 64 KiB")
		}
		frame := make([]byte, skip+length)
		if _, err := io.ReadFull(reader, frame); err != nil {
			return n, err
		}
		if bytes.Contains(frame, mark) {
			n++
		}
	}
	return n, nil
}

// masked returns a text frame of a client (RFC 6455, 5.2), with a mask of zeros.
func masked(text string) []byte {
	if len(text) < 126 {
		return append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
	}
	frame := binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(text)))
	return append(append(frame, 0, 0, 0, 0), text...)
}
