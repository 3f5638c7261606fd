package service

import (
	"context"
	"encoding/json"
	"fmt"

	"perigee/cmd/perigee/control"
	"perigee/engine/trace"
)

// streams returns the streams that commands on this machine can call.
func (s *service) streams() map[string]control.Stream {
	return map[string]control.Stream{Trace: s.trace}
}

// trace sends the events that a filter selects, until the client has gone or trace.MaxDuration has passed.
func (s *service) trace(ctx context.Context, arguments json.RawMessage, begin func(), send func(value any) error) error {
	var f trace.Filter
	if err := json.Unmarshal(arguments, &f); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	tap, err := s.server.Trace(f, trace.MaxDuration)
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	defer tap.Close()
	begin()
	for {
		e, err := tap.Next(ctx)
		if err == nil {
			err = send(e)
		}
		if err != nil {
			return err
		}
	}
}

// printTrace prints all events until ctx ends.
func (s *service) printTrace(ctx context.Context) {
	tap, err := s.server.Trace(trace.Filter{}, 0)
	if err != nil {
		s.log.Warn("service: messages are not traced", "error", err)
		return
	}
	s.background.Go(func() {
		defer tap.Close()
		for {
			e, err := tap.Next(ctx)
			if err != nil {
				return // ctx has ended
			}
			s.options.PrintEvent(e)
		}
	})
}
