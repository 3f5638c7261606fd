package engine_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/testkit"
)

// Requests of clients whose connections can be resumed cost little more than those of others. Both kinds are connected from the
// beginning and take turns, so that other processes slow both down alike.
func BenchmarkRequestsResumable(b *testing.B) {
	const turns, turn = 20, 300 * time.Millisecond
	for _, inFlight := range []int{1, 16} {
		b.Run(fmt.Sprint(inFlight, " in flight"), func(b *testing.B) {
			s := startAnswering(b, nil)
			plain, others := &cost{}, &cost{}
			clientsPlain := connectRequesters(b, s.Socket, "Pong")
			clients := connectRequesters(b, s.Socket, "Pong", testkit.Resumption{}.Protocols()...)
			for b.Loop() {
				for range turns {
					plain.add(b, clientsPlain, inFlight, turn)
					others.add(b, clients, inFlight, turn)
				}
			}
			b.ReportMetric(plain.each(), "plain-cpu-ns/request") // of the server and the clients
			b.ReportMetric(others.each(), "cpu-ns/request")
			b.ReportMetric(plain.each()/others.each(), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// cost is what requests have cost.
type cost struct {
	time     time.Duration // of the processor
	requests int
}

func (c *cost) add(b *testing.B, clients *requesters, inFlight int, length time.Duration) {
	b.Helper()
	before := testkit.ProcessorTime(b)
	answered, _ := clients.measure(b, inFlight, length)
	c.time += testkit.ProcessorTime(b) - before
	c.requests += answered
}

// each returns what a request has cost, in nanoseconds.
func (c *cost) each() float64 { return float64(c.time.Nanoseconds()) / float64(c.requests) }

// An idle connection that can be resumed uses little more memory of the whole server than another one.
func BenchmarkIdleResumable(b *testing.B) {
	const pairs = 3
	idle(b) // allocates what all servers share
	var plain, extra []float64
	for b.Loop() {
		for range pairs {
			p := idle(b)
			plain, extra = append(plain, p), append(extra, idle(b, testkit.Resumption{}.Protocols()...)-p)
		}
	}
	b.ReportMetric(testkit.Median(plain), "plain-heap-B/conn") // with a client in this process
	b.ReportMetric(testkit.Median(extra), "extra-heap-B/conn")
	b.ReportMetric(0, "ns/op")
}

// idle returns how much of the heap an idle connection and its client use, after the server has pinged them twice.
func idle(b *testing.B, protocols ...string) float64 {
	b.Helper()
	const clients = 5000
	s := startAnswering(b, func(c *config.Config) { c.Limits.PingInterval = config.Duration(2 * time.Second) })
	var pinged, ended sync.WaitGroup
	before := testkit.HeapBytes()
	sockets := make([]net.Conn, clients)
	for i := range sockets {
		sockets[i] = dialIdle(b, s.Socket, protocols...)
		pinged.Add(2)
		ended.Go(func() { answerPings(sockets[i], pinged.Done) })
	}
	pinged.Wait()
	used := testkit.HeapBytes() - before
	for _, socket := range sockets {
		_ = socket.Close() // it was only read from
	}
	ended.Wait()
	if err := s.Stop(); err != nil {
		b.Fatal(err)
	}
	return used / clients
}

// dialIdle opens a WebSocket.
func dialIdle(b *testing.B, url string, protocols ...string) net.Conn {
	b.Helper()
	address := strings.TrimSuffix(strings.TrimPrefix(url, "ws://"), "/")
	socket, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	_, err = fmt.Fprintf(socket, "GET / HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
		address, address, strings.Join(protocols, ", "))
	if err != nil {
		b.Fatal(err)
	}
	return socket
}

// answerPings reads the answer to a handshake, then frames until the socket is closed. It answers pings, and calls pinged for the first two.
func answerPings(socket net.Conn, pinged func()) {
	reader := bufio.NewReaderSize(socket, 512)
	if answer, err := http.ReadResponse(reader, nil); err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		panic(fmt.Sprint("handshake: ", answer, err))
	}
	for answered := 0; ; {
		first, payload, err := testkit.ReadFrame(reader)
		if err != nil {
			return
		}
		if first != outbox.PingFrame {
			continue
		}
		if _, err := socket.Write(masked(outbox.PongFrame, payload)); err != nil {
			return
		}
		if answered++; answered <= 2 {
			pinged()
		}
	}
}
