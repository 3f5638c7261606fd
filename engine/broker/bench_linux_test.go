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

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/testkit"
)

// payload is a message of the size that most are.
func payload() []byte { return slices.Repeat([]byte("x"), 200) }

// fanOut broadcasts messages with up to window of them in flight, and returns deliveries a second. joined gets
// one value for each client that broadcasts reach.
func fanOut(tb testing.TB, address string, joined <-chan struct{}, messages, window int, send func()) float64 {
	tb.Helper()
	c := joinSwarm(tb, address, joined, false)
	defer c.stop(tb)
	began := time.Now()
	c.broadcast(tb, messages, window, send)
	return float64(cap(joined)*messages) / time.Since(began).Seconds()
}

// joinSwarm starts a swarm for messages of payload, and returns when broadcasts reach all of its clients.
func joinSwarm(tb testing.TB, address string, joined <-chan struct{}, resumable bool) *swarm {
	tb.Helper()
	c := startSwarm(tb, address, cap(joined), len(outbox.NewFrame(payload()).Bytes()), resumable)
	for range cap(joined) {
		<-joined
	}
	return c
}

// broadcast calls send for each message, with up to window messages in flight, and returns when all of them have come.
func (c *swarm) broadcast(tb testing.TB, messages, window int, send func()) {
	tb.Helper()
	for i := range messages {
		if i >= window {
			c.await(tb)
		}
		send()
	}
	for range window {
		c.await(tb)
	}
}

// Fan-out to many clients costs a fraction of the cost with gorilla alone, and a single message costs no more.
func BenchmarkFanOut(b *testing.B) {
	for _, tt := range []struct{ clients, window int }{{1000, inFlight}, {5000, inFlight}, {1000, 1}} {
		b.Run(fmt.Sprint(tt.clients, " clients ", tt.window, " under way"), func(b *testing.B) {
			messages := 600_000 / tt.clients
			var ours, usual, ratio []float64
			for b.Loop() {
				for range 3 {
					o := fanOutBroker(b, tt.clients, messages, tt.window)
					u := fanOutUsual(b, tt.clients, messages/2, tt.window)
					ours, usual, ratio = append(ours, o), append(usual, u), append(ratio, o/u)
				}
			}
			b.ReportMetric(testkit.Median(ours), "deliveries/s")
			b.ReportMetric(testkit.Median(usual), "usual_deliveries/s")
			b.ReportMetric(testkit.Median(ratio), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// Fan-out to clients whose connections can be resumed costs little more than to others. Both kinds are connected from the beginning
// and take turns, so that other processes slow both down alike.
func BenchmarkFanOutResumable(b *testing.B) {
	const clients, messages, rounds = 1000, 600, 15
	connect := func(resumable bool) (cost func() float64) {
		joined := make(chan struct{}, clients)
		s := serve(b, patient, subscribing(joined))
		b.Cleanup(s.stop)
		c := joinSwarm(b, s.address, joined, resumable)
		b.Cleanup(func() { c.stop(b) })
		return func() float64 {
			before := testkit.ProcessorTime(b)
			c.broadcast(b, messages, inFlight, func() { s.Publish(1, outbox.NewFrame(payload())) })
			return float64((testkit.ProcessorTime(b) - before).Nanoseconds()) / (clients * messages)
		}
	}
	costPlain, costResumable := connect(false), connect(true)
	var plain, resumable, ratio []float64
	for b.Loop() {
		for range rounds {
			p, r := costPlain(), costResumable()
			plain, resumable, ratio = append(plain, p), append(resumable, r), append(ratio, p/r)
		}
	}
	b.ReportMetric(testkit.Median(resumable), "cpu-ns/delivery")
	b.ReportMetric(testkit.Median(plain), "plain-cpu-ns/delivery")
	b.ReportMetric(testkit.Median(ratio), "ratio")
	b.ReportMetric(0, "ns/op")
}

// patient makes the broker ping, but not wait for pongs, which the swarm does not send.
func patient(o *Options) { o.Limits.PongWait = config.Duration(time.Hour) }

// subscribing is a handler that has every connection subscribe to a topic.
func subscribing(joined chan<- struct{}) Handler {
	return &handler{open: func(c Conn) {
		c.Subscribe(1)
		joined <- struct{}{}
	}}
}

func fanOutBroker(b *testing.B, clients, messages, window int) float64 {
	b.Helper()
	joined := make(chan struct{}, clients)
	s := serve(b, patient, subscribing(joined))
	defer s.stop()
	frame := payload()
	return fanOut(b, s.address, joined, messages, window, func() { s.Publish(1, outbox.NewFrame(frame)) })
}

func fanOutUsual(b *testing.B, clients, messages, window int) float64 {
	b.Helper()
	u, address, stop := serveUsual(b, clients)
	defer stop()
	frame := payload()
	return fanOut(b, address, u.joined, messages, window, func() { u.broadcast(frame) })
}

// serveUsual runs a server of the usual pattern: for each client a goroutine that reads, one that writes, and a channel
// between the two and the sending side.
func serveUsual(b *testing.B, clients int) (u *usual, address string, stop func()) {
	b.Helper()
	u = &usual{joined: make(chan struct{}, clients), clients: map[chan *websocket.PreparedMessage]struct{}{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: u, ReadHeaderTimeout: 5 * time.Second}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) })
	return u, l.Addr().String(), func() {
		_ = server.Close()
		wg.Wait()
	}
}

type usual struct {
	joined  chan struct{}
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
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, CheckOrigin: allowOrigin}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	queue := make(chan *websocket.PreparedMessage, 256)
	u.mu.Lock()
	u.clients[queue] = struct{}{}
	u.mu.Unlock()
	u.joined <- struct{}{}
	go func() {
		defer ws.Close()
		ping := time.NewTicker(25 * time.Second)
		defer ping.Stop()
		for {
			var err error
			select {
			case message, ok := <-queue:
				if !ok {
					return
				}
				_ = ws.SetWriteDeadline(time.Now().Add(5 * time.Second))
				err = ws.WritePreparedMessage(message)
			case <-ping.C:
				_ = ws.SetWriteDeadline(time.Now().Add(5 * time.Second))
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

// An idle connection uses little memory.
func BenchmarkIdle(b *testing.B) {
	for _, clients := range []int{5000, 10_000} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			for b.Loop() {
				s := serve(b, patient, subscribing(make(chan struct{}, clients)))
				heapBefore, stackBefore := testkit.HeapBytes(), stackBytes()
				c := startSwarm(b, s.address, clients, 1, false)
				heap, stack := testkit.HeapBytes()-heapBefore, stackBytes()-stackBefore
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

func stackBytes() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.StackInuse)
}

// An idle connection that can be resumed uses little more memory than another one.
func BenchmarkIdleResumable(b *testing.B) {
	const clients = 10_000
	idle := func(resumable bool) float64 {
		s := serve(b, patient, subscribing(make(chan struct{}, clients)))
		defer s.stop()
		before := testkit.HeapBytes()
		c := startSwarm(b, s.address, clients, 1, resumable)
		defer c.stop(b)
		return (testkit.HeapBytes() - before) / clients
	}
	idle(false) // allocates what all servers share
	var plain, extra []float64
	for b.Loop() {
		for range 3 {
			p := idle(false)
			plain, extra = append(plain, p), append(extra, idle(true)-p)
		}
	}
	b.ReportMetric(testkit.Median(plain), "plain-heap-B/conn")
	b.ReportMetric(testkit.Median(extra), "extra-heap-B/conn")
	b.ReportMetric(0, "ns/op")
}

// Handshakes cost about as much as without limits and shards.
func BenchmarkHandshake(b *testing.B) {
	const clients = 3000
	dial := func(address string) float64 {
		began := time.Now()
		c := startSwarm(b, address, clients, 1, false)
		defer c.stop(b)
		return clients / time.Since(began).Seconds()
	}
	var ours, usual []float64
	for b.Loop() {
		for range 3 {
			s := serve(b, patient, subscribing(make(chan struct{}, clients)))
			ours = append(ours, dial(s.address))
			s.stop()
			_, address, stop := serveUsual(b, clients)
			usual = append(usual, dial(address))
			stop()
		}
	}
	b.ReportMetric(testkit.Median(ours), "handshakes/s")
	b.ReportMetric(testkit.Median(usual), "usual_handshakes/s")
	b.ReportMetric(testkit.Median(ours)/testkit.Median(usual), "ratio")
	b.ReportMetric(0, "ns/op")
}
