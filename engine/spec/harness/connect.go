package harness

import (
	"context"
	"errors"

	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
)

// Connect opens a new connection, unless the connect hook refuses its request.
func (s *Server) Connect(ctx context.Context, r *handshake.Request) (*Conn, *handshake.Refusal, error) {
	return s.connect(ctx, r, broker.ResumeRequest{Resumable: true})
}

func (s *Server) connect(ctx context.Context, r *handshake.Request, resume broker.ResumeRequest) (*Conn, *handshake.Refusal, error) {
	if s.stopped {
		return nil, nil, errStopped
	}
	conn := &Conn{
		id: uint64(len(s.clients.conns) + 1), request: r, resume: resume, opened: s.clock.Now(), topics: map[outbox.TopicID]bool{},
	}
	if s.manager.WantsConnect() {
		if refusal, err := s.runConnectHook(ctx, conn); refusal != nil || err != nil {
			return nil, refusal, err
		}
	}
	s.clients.conns = append(s.clients.conns, conn)
	s.manager.Open(conn)
	return conn, nil, s.runUntilIdle()
}

// runConnectHook runs the connect hook. While it waits, the clock is advanced, at most by limits.handshake_timeout.
func (s *Server) runConnectHook(ctx context.Context, conn *Conn) (refusal *handshake.Refusal, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	decided := make(chan *handshake.Refusal, 1)
	err = s.manager.PostConnect(ctx, conn.request, conn.Peer(), func(r *handshake.Refusal) { decided <- r })
	end := s.clock.Now().Add(s.handshakeTimeout)
	for err == nil {
		err = s.drain()
		select {
		case refusal = <-decided:
			return refusal, errors.Join(err, s.runUntilIdle())
		default:
		}
		if err == nil && !s.programs.step() && !s.clock.step(end) {
			cancel(handshake.ErrTimeout)
		}
	}
	return nil, errors.Join(err, s.runUntilIdle())
}
