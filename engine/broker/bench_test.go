package broker

import (
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/config"
)

// payload is a message of the size that most are.
func payload() []byte { return slices.Repeat([]byte("x"), 200) }

// fanOut broadcasts messages with up to underWay of them on their way, and returns deliveries a second.
func fanOut(tb testing.TB, address string, clients, messages int, send func()) float64 {
	tb.Helper()
	c := startCrowd(tb, address, clients, len(NewFrame(payload()).bytes))
	defer c.stop(tb)
	began := time.Now()
	for i := range messages {
		if i >= underWay {
			c.await(tb)
		}
		send()
	}
	for range underWay {
		c.await(tb)
	}
	return float64(clients*messages) / time.Since(began).Seconds()
}

// Fan-out to many clients costs a fraction of what it costs the usual way of using gorilla.
func BenchmarkFanOut(b *testing.B) {
	for _, clients := range []int{1000, 5000} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			messages := 600_000 / clients
			var ours, usual, ratio []float64
			for b.Loop() {
				for range 3 {
					o, u := fanOutBroker(b, clients, messages), fanOutUsual(b, clients, messages/2)
					ours, usual, ratio = append(ours, o), append(usual, u), append(ratio, o/u)
				}
			}
			b.ReportMetric(median(ours), "deliveries/s")
			b.ReportMetric(median(usual), "usual_deliveries/s")
			b.ReportMetric(median(ratio), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// patient has the broker ping, but not wait for the pongs that a crowd does not send.
func patient(o *Options) { o.Limits.PongWait = config.Duration(time.Hour) }

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

func fanOutBroker(b *testing.B, clients, messages int) float64 {
	s := serve(b, patient, nil)
	defer s.stop()
	frame := payload()
	return fanOut(b, s.address, clients, messages, func() { s.Broadcast(NewFrame(frame)) })
}

// fanOutUsual is the usual pattern: for each client a goroutine that reads, one that writes, and a channel between them
// and whoever sends.
func fanOutUsual(b *testing.B, clients, messages int) float64 {
	u := &usual{clients: map[chan *websocket.PreparedMessage]struct{}{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: u}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) })
	defer wg.Wait()
	defer server.Close()
	frame := payload()
	return fanOut(b, l.Addr().String(), clients, messages, func() { u.broadcast(frame) })
}

type usual struct {
	mu      sync.Mutex
	clients map[chan *websocket.PreparedMessage]struct{}
}

func (u *usual) broadcast(text []byte) {
	message, err := websocket.NewPreparedMessage(websocket.TextMessage, text)
	if err != nil {
		panic(err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for queue := range u.clients {
		select {
		case queue <- message:
		default:
		}
	}
}

func (u *usual) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, CheckOrigin: checkedBefore}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	queue := make(chan *websocket.PreparedMessage, 256)
	u.mu.Lock()
	u.clients[queue] = struct{}{}
	u.mu.Unlock()
	go func() {
		defer ws.Close()
		ping := time.NewTicker(25 * time.Second)
		defer ping.Stop()
		for {
			var err error
			_ = ws.SetWriteDeadline(time.Now().Add(5 * time.Second))
			select {
			case message, ok := <-queue:
				if !ok {
					return
				}
				err = ws.WritePreparedMessage(message)
			case <-ping.C:
				err = ws.WriteMessage(websocket.PingMessage, nil)
			}
			if err != nil {
				return
			}
		}
	}()
	for err == nil {
		_, _, err = ws.ReadMessage()
	}
	u.mu.Lock()
	delete(u.clients, queue)
	u.mu.Unlock()
	close(queue)
}

// An idle connection takes little memory.
func BenchmarkIdle(b *testing.B) {
	for _, clients := range []int{5000, 10_000} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			for b.Loop() {
				s := serve(b, patient, nil)
				before := memory()
				c := startCrowd(b, s.address, clients, 1)
				heap, stack := memory().less(before)
				b.ReportMetric(heap/float64(clients)/1024, "heap-KB/conn")
				b.ReportMetric(stack/float64(clients)/1024, "stack-KB/conn")
				b.ReportMetric((heap+stack)/float64(clients)/1024, "KB/conn")
				b.ReportMetric(0, "ns/op")
				c.stop(b)
				s.stop()
			}
		})
	}
}

type footprint struct{ heap, stack uint64 }

func memory() footprint {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{m.HeapAlloc, m.StackInuse}
}

func (f footprint) less(before footprint) (heap, stack float64) {
	return float64(f.heap) - float64(before.heap), float64(f.stack) - float64(before.stack)
}

// Handshakes are limited by the HTTP server.
func BenchmarkHandshake(b *testing.B) {
	s := serve(b, patient, nil)
	defer s.stop()
	const clients = 5000
	for b.Loop() {
		began := time.Now()
		c := startCrowd(b, s.address, clients, 1)
		b.ReportMetric(clients/time.Since(began).Seconds(), "handshakes/s")
		b.ReportMetric(0, "ns/op")
		c.stop(b)
	}
}
