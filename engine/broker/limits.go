package broker

import "time"

// bucket is a token bucket as one point in time: when it will be full again (the generic cell rate algorithm,
// ITU-T I.371). The zero value is full.
type bucket struct{ full time.Duration }

// spend takes what needs cost to come back from a bucket that needs depth to fill, and returns how long it will owe; 0 or
// less where it held enough.
func (b *bucket) spend(cost, depth, now time.Duration) time.Duration {
	b.full = max(b.full, now) + cost
	return b.full - now - depth
}

// spread is how long n takes at a rate a second.
func spread(n, rate int64) time.Duration {
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}

// pace bounds the messages and control frames of one client. The zero value has room for a burst. It is owned by the
// reader.
type pace struct {
	messages bucket
	told     time.Duration // when the client was last told of a drop, plus one second
	window   time.Duration // the drops are counted until then
	drops    int
}

// dropWindow is the time in which twice a burst of dropped messages closes the connection.
const dropWindow = 10 * time.Second

// verdict is what becomes of a message.
type verdict uint8

const (
	take verdict = iota
	drop
	dropAndTell
	dropAndClose
)

// judge counts one more message, at most rate a second and burst at once.
func (p *pace) judge(rate, burst int, now time.Duration) verdict {
	if rate <= 0 {
		return take
	}
	cost := time.Second / time.Duration(rate)
	tried := p.messages
	if tried.spend(cost, time.Duration(max(burst, 1))*cost, now) <= 0 {
		p.messages = tried
		return take
	}
	if now >= p.window {
		p.window, p.drops = now+dropWindow, 0
	}
	p.drops++
	if p.drops > 2*max(burst, 1) {
		return dropAndClose
	}
	if now >= p.told {
		p.told = now + time.Second
		return dropAndTell
	}
	return drop
}
