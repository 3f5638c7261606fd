package outbox

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/config"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// peer is a client that loses its sockets and comes back, with a model of what it is to receive.
type peer struct {
	t      *testing.T
	o      *Outbox
	random *rand.Rand
	socket *link

	// The model.
	want   []string
	topics map[TopicID]bool
	roster string // that was sent last by SendLatest

	mu sync.Mutex
	// Guarded by mu.
	reads    *link    // the socket that it reads
	received int64    // numbered frames, on all sockets; -1 if it has forgotten them
	got      []string // texts of those that Send and Publish sent
	rosters  []string // texts of those that SendLatest sent
}

// link is one socket of a peer.
type link struct {
	Sender
	ours  net.Conn
	ended chan struct{} // closed when nothing more can be read
	close string        // payload of the close frame; read it after ended
	first string        // text of the first frame; guarded by peer.mu
}

var _ Transport = (*link)(nil)

func (*link) Tick(time.Duration, bool) (bool, *wire.Close) { return false, nil }
func (*link) Received() uint64                             { return 0 }
func (*link) TooSlow(string, any, int)                     {}
func (*link) CloseSent(bool, time.Duration)                {}
func (*link) Over()                                        {}

// connect opens a socket. If fails is set, it ends after a random number of bytes.
func (p *peer) connect(fails bool) *link {
	ours, theirs := net.Pipe()
	l := &link{ours: ours, ended: make(chan struct{})}
	limit := int64(1) << 40
	if fails {
		limit = p.random.Int64N(2000)
	}
	p.o.Join(&l.Sender, theirs, l, Features{Resumable: true, Compress: p.random.IntN(4) == 0})
	go p.read(l, bufio.NewReader(io.LimitReader(ours, limit)))
	return l
}

// read receives from a socket until that ends. A frame that is cut off does not count.
func (p *peer) read(l *link, in *bufio.Reader) {
	defer close(l.ended)
	defer l.ours.Close()
	for {
		first, payload, err := testkit.ReadFrame(in)
		if err != nil {
			return
		}
		switch first {
		case TextFrame | Compressed:
			if !l.compress {
				p.t.Error("a compressed frame came on a socket without compression")
			}
			p.take(l, inflate(p.t, &Frame{bytes: unfragmented(first, payload)}))
		case TextFrame:
			p.take(l, payload)
		case PingFrame:
			l.Confirm([]byte(payload))
		case CloseFrame:
			l.close = payload
		}
	}
}

// take records a text, unless the peer reads from another socket by now.
func (p *peer) take(l *link, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.first == "" {
		l.first = text
	}
	if p.reads != l {
		return
	}
	if sent, ok := strings.CutPrefix(text, "hello "); ok {
		p.received, _ = strconv.ParseInt(sent, 10, 64) // written below
		return
	}
	p.received++
	text, _, _ = strings.Cut(text, " ")
	if strings.HasPrefix(text, "roster") {
		p.rosters = append(p.rosters, text)
	} else {
		p.got = append(p.got, text)
	}
}

// lose ends the socket, unless it has ended, and tells the outbox so.
func (p *peer) lose() {
	_ = p.socket.ours.Close() // it may have failed before
	<-p.socket.ended
	p.socket.Ended(wire.CloseAbnormal())
	p.socket.ReaderDone(true)
}

// resume goes on with another socket. A peer that is fresh has forgotten what it has received.
func (p *peer) resume(fresh, fails bool) {
	from := p.socket
	p.mu.Lock()
	if fresh {
		p.received, p.got, p.rosters = -1, nil, nil
	}
	received := p.received
	p.socket = p.connect(fails)
	p.reads = p.socket
	p.mu.Unlock()
	if received < 0 { // it does not get what it was sent on earlier sockets
		p.want, p.roster = nil, ""
	}
	p.socket.Resume(&from.Sender, received, func(_ bool, sent uint64) *Frame {
		return text(fmt.Sprint("hello ", sent))
	}, func(complete bool) {
		if complete != (received >= 0) {
			p.t.Errorf("resume with %d frames received: complete = %v", received, complete)
		}
	})
}

// send sends a text, or sometimes a roster, to this peer only.
func (p *peer) send(message string) {
	if p.random.IntN(4) == 0 {
		p.roster = "roster-" + message
		p.socket.SendLatest(padded(p.random, p.roster))
		return
	}
	p.want = append(p.want, message)
	p.socket.Send(padded(p.random, message))
}

// padded returns a frame with a text that is sometimes long enough to be compressed or to be written by itself.
func padded(random *rand.Rand, message string) *Frame {
	return text(message + " " + strings.Repeat("x", []int{0, 0, 0, 100, 2 * minDeflate, minAlone}[random.IntN(6)]))
}

// Whatever clients and the application do, a client that comes back gets everything that it was sent, once and in order.
func TestModel(t *testing.T) {
	schedules := testkit.Scale(500, 2000)
	for seed := range uint64(schedules) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			o := start(t, func(l *config.Limits) { l.Shards = 1 + int(seed%3) })
			var peers []*peer
			for range 3 {
				p := &peer{t: t, o: o, random: random, topics: map[TopicID]bool{}}
				p.socket = p.connect(random.IntN(2) == 0)
				p.reads = p.socket
				peers = append(peers, p)
			}
			for i := range 60 {
				step(o, random, peers, fmt.Sprint(i))
			}
			for _, p := range peers {
				p.resume(false, false)
				p.send("last")
			}
			synctest.Wait()
			for i, p := range peers {
				p.check(fmt.Sprintf("schedule %d, client %d", seed, i))
				p.lose()
			}
		})
		if t.Failed() {
			return
		}
	}
	testkit.Measured(t, "%d schedules of losses, returns and sends: as the model says", schedules)
}

// step does something at random.
func step(o *Outbox, random *rand.Rand, peers []*peer, message string) {
	p, topic := peers[random.IntN(len(peers))], TopicID(random.IntN(2))
	switch random.IntN(12) {
	case 0, 1, 2, 3:
		p.send(message)
	case 4, 5:
		o.Publish(topic, padded(random, message))
		for _, p := range peers {
			if p.topics[topic] {
				p.want = append(p.want, message)
			}
		}
	case 6:
		p.socket.Subscribe(topic)
		p.topics[topic] = true
	case 7:
		p.socket.Unsubscribe(topic)
		p.topics[topic] = false
	case 8:
		p.lose()
		p.resume(random.IntN(8) == 0, random.IntN(2) == 0)
	case 9: // another socket before the loss of this one has been noticed
		p.resume(random.IntN(8) == 0, random.IntN(2) == 0)
	case 10:
		p.confirm()
	case 11:
		synctest.Wait()
	}
}

// confirm tells the outbox how many frames have been received, as the answer to a ping does.
func (p *peer) confirm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.socket.Confirm(binary.BigEndian.AppendUint64(nil, uint64(max(p.received, 0))))
}

// check compares what the peer has received with the model. Of the rosters, the peer may miss all but the last.
func (p *peer) check(name string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.got, p.want) {
		p.t.Errorf("%s received %q, want %q", name, p.got, p.want)
	}
	if p.roster != "" && (len(p.rosters) == 0 || p.rosters[len(p.rosters)-1] != p.roster) {
		p.t.Errorf("%s received the rosters %q, the last of which should be %s", name, p.rosters, p.roster)
	}
	if !strings.HasPrefix(p.socket.first, "hello ") {
		p.t.Errorf("%s first received %.20q, want the frame of hello", name, p.socket.first)
	}
}
