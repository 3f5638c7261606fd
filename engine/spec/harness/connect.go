package harness

import (
	"context"
	"errors"
	"slices"

	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
	"perigee/engine/wire"
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

// Drop loses a connection. left means that its page was left or is loaded anew. The client can come back with Resume.
func (s *Server) Drop(conn *Conn, left bool) error {
	conn.away = true
	if left {
		s.manager.Closed(conn, wire.Close{Code: wire.CodeGoingAway}, broker.EndLeft)
	} else {
		s.manager.Closed(conn, wire.CloseAbnormal(), broker.EndLost)
	}
	return s.runUntilIdle()
}

// Resume has the client of a connection that is not closed come back with a request, unless the connect hook refuses that. fresh means
// that its page was loaded anew. If nobody can come back to the connection, or if the hook names another user, the client gets a new
// connection, and loses the old one.
func (s *Server) Resume(ctx context.Context, conn *Conn, r *handshake.Request, fresh bool) (*Conn, *handshake.Refusal, error) {
	resume := broker.ResumeRequest{Resumable: true, Token: conn.token}
	if fresh {
		resume.Received = -1
	}
	unnoticed := conn.Connected()
	conn.away = true
	next, refusal, err := s.connect(ctx, r, resume)
	if err != nil || next != nil && next.resumed {
		return next, nil, err
	}
	if next != nil && !fresh { // the page still has what it has received
		next.received = slices.Concat(conn.received, next.received)
	}
	if unnoticed {
		err = s.Drop(conn, fresh)
	}
	return next, refusal, err
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
