package redis

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	server "perigee/engine/enginetest/redis"
	"perigee/engine/queue"
	"perigee/engine/queue/queuetest"
)

// settings are those of tests.
func settings(s *server.Server) Settings {
	return Settings{Address: s.Address, Prefix: "app_database_", TTR: time.Minute}
}

// do sends one command and returns the answer as text.
func do(tb testing.TB, s *server.Server, command string, arguments ...any) string {
	tb.Helper()
	got, err := s.Do(command, arguments...)
	if err != nil {
		tb.Fatalf("%s %v = %v, want nil", command, arguments, err)
	}
	if list, err := redis.Strings(got, nil); err == nil {
		return fmt.Sprint(list)
	}
	if text, ok := got.([]byte); ok {
		return string(text)
	}
	return fmt.Sprint(got)
}

// The driver keeps the promises of all drivers.
func TestPromises(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T, ttr time.Duration) queuetest.Service {
		t.Helper()
		s := server.Start(t, server.Options{Persist: true})
		settings := settings(s)
		settings.TTR = ttr
		return queuetest.Service{
			Driver: func() queue.Driver { return New(settings, slog.New(slog.DiscardHandler)) },
			Client: NewClient(settings), TTR: ttr, Reasons: true, Binary: true,
			Kill: s.Kill, Restart: func() { s.Restart(t) },
		}
	})
}
