package broker

import (
	"time"

	"perigee/engine/auth"
)

// messageLimiter limits the messages and control frames of one client. The zero value has room for a burst. It is owned
// by the reader.
type messageLimiter struct {
	bucket    auth.Bucket
	notifyAt  time.Duration // when the client may be notified of a drop again
	windowEnd time.Duration // drops are counted until then
	drops     int
}

// dropWindow is the time in which twice a burst of dropped messages closes the connection.
const dropWindow = 10 * time.Second

// action says what to do with a message.
type action uint8

const (
	acceptMessage action = iota
	dropMessage
	dropAndNotify
	dropAndClose
)

// decide counts one more message, of which rate a second and burst at once are accepted.
func (l *messageLimiter) decide(rate, burst int, now time.Duration) action {
	if rate <= 0 {
		return acceptMessage
	}
	burst = max(burst, 1)
	cost := time.Second / time.Duration(rate)
	if l.bucket.Allow(cost, time.Duration(burst)*cost, now) {
		return acceptMessage
	}
	if now >= l.windowEnd {
		l.windowEnd, l.drops = now+dropWindow, 0
	}
	l.drops++
	if l.drops > 2*burst {
		return dropAndClose
	}
	if now >= l.notifyAt {
		l.notifyAt = now + time.Second
		return dropAndNotify
	}
	return dropMessage
}

// timeFor returns how long n takes at a rate a second.
func timeFor(n, rate int64) time.Duration {
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}
