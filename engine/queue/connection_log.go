package queue

import "time"

// connectionLog logs changes of the connection, each once and at most one a second. It is owned by Run.
type connectionLog struct {
	logged    bool // anything so far
	connected bool // as last logged
	reason    string
}

// setConnection records that the service answers if err is nil, else why there is no connection.
func (w *Worker) setConnection(err error) {
	now := time.Now()
	w.monitor.update(func(s *Status) {
		if connected := err == nil; s.Connected != connected {
			s.Connected, s.Since = connected, now
		}
		s.Reason, s.Summary = "", ""
		if err != nil {
			s.Reason, s.Summary = err.Error(), summary(err)
		}
	})
	w.connectionLog.update(w, now)
}

// update logs the state of the connection if it has changed. A change too soon after the last line is logged by a later beat,
// if it still holds.
func (c *connectionLog) update(w *Worker, now time.Time) {
	s := w.Status()
	unchanged := c.logged && c.connected == s.Connected && c.reason == s.Reason || !c.logged && s.Reason == notAsked
	if unchanged || !w.throttle.Allow("connection", now).Allowed {
		return
	}
	switch {
	case s.Connected:
		w.log.Info("queue: connected", "queue", w.options.Name)
	case c.connected:
		w.log.Warn("queue: connection lost; reconnecting", "queue", w.options.Name, "error", s.Reason)
	case !c.logged && w.options.OptionalHint != "":
		w.log.Info("queue: the service is not reachable yet; will connect when it is", "service", w.options.Service, "queue", w.options.Name,
			"error", s.Reason, "hint", w.options.OptionalHint)
	default:
		w.log.Warn("queue: the service is not reachable; trying again", "service", w.options.Service, "queue", w.options.Name,
			"error", s.Reason)
	}
	*c = connectionLog{logged: true, connected: s.Connected, reason: s.Reason}
}
