package engine

import (
	"time"

	"perigee/engine/config"
	"perigee/engine/fetch"
	"perigee/engine/loop"
	"perigee/engine/manager"
)

// newLoop returns the loop, which logs turns that are slow, refused or broken.
func (s *Server) newLoop(c config.Config) *loop.Loop {
	return loop.New(loop.Options{
		MaxWaiting: c.Lua.MaxWaiting,
		SlowTurn:   c.Lua.SlowTurn.Std(),
		OnSlowTurn: func(turn string, held time.Duration) {
			if turn != manager.InstallTurn { // it has a limit of its own
				s.counts.slowTurns.Add(1)
				s.log.Warn("loop: slow turn", "turn", turn, "held", held, "generation", s.lastGeneration)
			}
		},
		OnRefused: func(turn string, e *loop.WaitingError) {
			setting := "lua.max_waiting"
			if e.Own {
				setting = "limits.waiting_per_connection"
			}
			s.refusals.Log(setting, e.Limit, "turn", turn)
		},
		OnPanic: func(turn string, value any, stack []byte) {
			s.log.Error("loop: turn panicked", "turn", turn, "panic", value, "stack", string(stack))
		},
	})
}

// newFetch returns the client for the requests of scripts.
func (s *Server) newFetch(c config.HTTP) *fetch.Client {
	return fetch.New(fetch.Options{
		Timeout:            c.Timeout.Std(),
		MaxBody:            int64(c.MaxBody),
		MaxRequests:        c.MaxRequests,
		MaxPerConnection:   c.RequestsPerConnection,
		RedirectsToPrivate: c.RedirectsToPrivate,
		OnLimit: func(l fetch.Limit) {
			switch l {
			case fetch.MaxRequests:
				s.refusals.Log("http.max_requests", c.MaxRequests)
			case fetch.MaxPerConnection:
				s.refusals.Log("http.requests_per_connection", c.RequestsPerConnection)
			case fetch.MaxBody:
				s.refusals.Log("http.max_body", c.MaxBody)
			}
		},
	})
}
