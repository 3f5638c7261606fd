package queue

import "time"

// news are the changes of the connection that are logged: once each, and at most one a second, whatever the
// service does. It is owned by Run.
type news struct {
	said      bool // something
	connected bool // as it was said last
	reason    string
}

// missing notes that there is no connection.
func (w *Worker) missing(err error) {
	w.tell(false, err.Error(), short(err))
}

// reached notes that the service answers.
func (w *Worker) reached() {
	w.tell(true, "", "")
}

func (w *Worker) tell(connected bool, reason, short string) {
	now := time.Now()
	w.record.note(func(s *Status) {
		if s.Connected != connected {
			s.Since = now
		}
		s.Connected, s.Reason, s.Short = connected, reason, short
	})
	w.news.say(w, now)
}

// say logs how the connection is, if that is new. What comes too soon after the last line is said by a later beat, where
// it still holds.
func (n *news) say(w *Worker, now time.Time) {
	s := w.Status()
	known := n.said && n.connected == s.Connected && n.reason == s.Reason || !n.said && s.Reason == notAsked
	if known || !w.throttle.Allow("connection", now).Allowed {
		return
	}
	switch {
	case s.Connected:
		w.log.Info("queue: connected", "queue", w.options.Name)
	case n.connected:
		w.log.Warn("queue: the connection is lost; trying again", "queue", w.options.Name, "error", s.Reason)
	case !n.said && w.options.Unasked != "":
		w.log.Info("queue: there is no service yet; it is taken up when it comes", "queue", w.options.Name, "error", s.Reason,
			"hint", w.options.Unasked)
	default:
		w.log.Warn("queue: the service cannot be reached; trying again", "queue", w.options.Name, "error", s.Reason)
	}
	*n = news{said: true, connected: s.Connected, reason: s.Reason}
}
