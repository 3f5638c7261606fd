package broker

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// unlimited removes the limits that would make fuzzing wait.
func unlimited(o *Options) {
	o.Limits.MessagesPerSecond, o.Limits.BytesPerSecond = 0, 0
	o.Limits.ReadLimit = 4 * config.KiB
}

// Whatever a client sends after the handshake, with and without compression, the server answers with well-formed frames, passes on only text within
// the read limit, calls Closed once, and does not panic.
func FuzzFrames(f *testing.F) {
	var mu sync.Mutex
	ends := map[uint64]int{}
	told := make(chan wire.Close, 1)
	o := &handler{}
	o.message = func(c Conn, text []byte) {
		if !utf8.Valid(text) || len(text) > int(4*config.KiB) {
			panic("a message that must not be heard")
		}
		c.Send(outbox.NewFrame(text))
	}
	o.closed = func(c Conn, why wire.Close) {
		mu.Lock()
		defer mu.Unlock()
		if ends[c.ID()]++; ends[c.ID()] > 1 {
			panic("a second end")
		}
		told <- why
	}
	s := servePipes(f, func(o *Options) { unlimited(o); compressing(o) }, o)
	for _, rows := range [][]row{framing(), controls(), fragments()[:8], texts()[:6], closes()[:9], compressedFrames(f)} {
		for _, r := range rows {
			f.Add(bytes.Join(r.send, nil))
		}
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		for _, lines := range [][]string{nil, {offer}} {
			c := s.dial(t, lines...)
			answers := make(chan string, 1)
			go func() { answers <- firstFault(c) }()
			c.raw(sent)
			_ = c.Close() // what had to be answered at once was
			if fault := testkit.Receive(t, answers, "answer"); fault != "" {
				t.Errorf("after %q, %q: %s", lines, sent, fault)
			}
			testkit.Receive(t, told, "Closed")
			if strings.Contains(s.log.String(), "panic") {
				t.Fatalf("after %q, %q: a panic", lines, sent)
			}
		}
	})
}

// firstFault reads frames until the end, and returns what is wrong with the first that has a fault, or "".
func firstFault(c *client) string {
	var last frame
	for {
		got, err := c.read()
		if err != nil {
			return ""
		}
		if fault := faultOf(got, last); fault != "" {
			return fault
		}
		last = got
	}
}

// faultOf returns what is wrong with a frame of the server, or "".
func faultOf(f, before frame) string {
	switch {
	case before.first == closeFrame:
		return "a frame after the close frame"
	case f.first == textFrame && !utf8.ValidString(f.payload):
		return "a text that is not UTF-8"
	case f.first == pongFrame && len(f.payload) > maxControl:
		return "a pong that is too long"
	case f.first == closeFrame && (len(f.payload) < 2 || len(f.payload) > maxControl || !utf8.ValidString(f.payload[2:])):
		return "a close frame that breaks the rules"
	case f.first != textFrame && f.first != textFrame|outbox.Compressed && f.first != pongFrame && f.first != pingFrame && f.first != closeFrame:
		return "a frame of no known kind"
	}
	return ""
}

// Whatever is sent in place of a handshake, the answer is HTTP, and only a valid handshake becomes a connection.
func FuzzHandshake(f *testing.F) {
	s := servePipes(f, unlimited, nil)
	good := upgradeRequest("localhost")
	for _, seed := range []string{
		good, good[:60], strings.Replace(good, "GET", "POST", 1), strings.Replace(good, "Upgrade", "Up\x00grade", 1),
		strings.Replace(good, "13", "8", 1), strings.Replace(good, "==", "", 1), strings.Replace(good, "localhost", "", 1),
		strings.Replace(good, "Upgrade: websocket", "Upgrade: h2c, websocket/13", 1), strings.ReplaceAll(good, "\r", ""),
		strings.Replace(good, "\r\n", "\r\nOrigin: null\r\n", 1), strings.Replace(good, "\r\n", "\r\nContent-Length: 5\r\n", 1) + "hello",
		strings.Replace(good, "\r\n", "\r\nTransfer-Encoding: chunked\r\n", 1), good + good, good + "\x81\x80\x00\x00\x00\x00",
		"", "\r\n\r\n", "\x16\x03\x01\x02\x00\x01", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		c := s.connect(t)
		answers := make(chan []byte, 1)
		go func() {
			answer, _ := io.ReadAll(c.in) // however it ends
			answers <- answer
		}()
		c.raw(sent)
		_ = c.Close()
		answer := testkit.Receive(t, answers, "answer")
		if len(answer) > 0 {
			response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
			switch {
			case err != nil:
				if bytes.HasSuffix(answer, []byte("\r\n\r\n")) { // else the client went away in the middle
					t.Errorf("after %q: got %q, want HTTP", sent, answer)
				}
			case response.StatusCode == http.StatusSwitchingProtocols:
				if !bytes.Contains(bytes.ToLower(sent), []byte("sec-websocket-key")) || response.Header.Get("Sec-Websocket-Accept") == "" {
					t.Errorf("after %q: got %v, want no upgrade", sent, response)
				}
			}
		}
		if strings.Contains(s.log.String(), "panic") {
			t.Fatalf("after %q: a panic", sent)
		}
	})
}
