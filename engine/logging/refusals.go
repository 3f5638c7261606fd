package logging

import (
	"log/slog"
	"time"
)

// Refusals logs what the limits of the settings refuse: each limit once a minute at most, with its name and value. It is safe for
// concurrent use.
type Refusals struct {
	log      *slog.Logger
	throttle Throttle
}

// NewRefusals returns a Refusals that writes to log.
func NewRefusals(log *slog.Logger) *Refusals {
	return &Refusals{log: log, throttle: Throttle{Interval: time.Minute}}
}

// Log logs that a setting, such as "server.max_connections", has refused something. value is that of the setting, fields describe
// what was refused. It does nothing on nil.
func (r *Refusals) Log(setting string, value any, fields ...any) {
	if r == nil {
		return
	}
	if line := r.throttle.Allow(setting, time.Now()); line.Allowed {
		r.log.Warn("limit reached", append([]any{"setting", setting, "value", value, "suppressed", line.Suppressed}, fields...)...)
	}
}
