package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// serveStream serves a stream at "POST /stream" until the test ends.
func serveStream(t *testing.T, stream Stream) (path string) {
	t.Helper()
	server := listen(t)
	var serving sync.WaitGroup
	serving.Go(func() {
		server.Serve(Handler(t.Context(), nil, map[string]Stream{"POST /stream": stream}, slog.New(slog.DiscardHandler)))
	})
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return server.path
}

// untimed is a response that notes the deadline of its connection for reading.
type untimed struct {
	*httptest.ResponseRecorder
	read time.Time
}

func (u *untimed) SetReadDeadline(at time.Time) error { u.read = at; return nil }
func (*untimed) SetWriteDeadline(time.Time) error     { return nil }

// A stream may last longer than the reading of its request.
func TestStreamHasNoReadDeadline(t *testing.T) {
	w := &untimed{httptest.NewRecorder(), time.Now()}
	stream := func(_ context.Context, _ json.RawMessage, begin func(), send func(value any) error) error {
		if !w.read.IsZero() {
			t.Errorf("the stream begins with a deadline for reading at %s, want none", w.read)
		}
		begin()
		return send(1)
	}
	performStream(t.Context(), stream, w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/stream", nil))
	if w.Code != http.StatusOK || w.Body.String() != "1\n" {
		t.Errorf("the response is %d, %q, want 200 and 1", w.Code, w.Body.String())
	}
}

func ignoreLine([]byte) error { return nil }

// The caller gets each value when it is sent, and then the error of the stream.
func TestFollow(t *testing.T) {
	sent, taken := make(chan struct{}), make(chan struct{})
	path := serveStream(t, func(_ context.Context, arguments json.RawMessage, begin func(), send func(value any) error) error {
		begin()
		if err := send(map[string]string{"got": string(arguments)}); err != nil {
			return err
		}
		close(sent)
		<-taken
		if err := send(map[string]string{"got": "<&>"}); err != nil {
			return err
		}
		return errors.New("it is over")
	})
	var got []string
	started := false
	err := Follow(t.Context(), path, "POST /stream", 7, func() { started = true }, func(line []byte) error {
		if got = append(got, string(line)); len(got) == 1 {
			<-sent
			close(taken)
		}
		return nil
	})
	failure, ok := errors.AsType[*Failure](err)
	if !ok || failure.Text != "it is over" || !started || len(got) != 2 || got[0] != `{"got":"7"}`+"\n" || got[1] != `{"got":"<&>"}`+"\n" {
		t.Errorf("Follow = %v, %q, want both values and that it is over", err, got)
	}
}

// A stream that refuses, or does not exist, does not start.
func TestFollowRefused(t *testing.T) {
	path := serveStream(t, func(context.Context, json.RawMessage, func(), func(value any) error) error {
		return errors.New("four are enough")
	})
	for route, want := range map[string]string{"POST /stream": "four are enough", "POST /other": `this server has no operation POST "/other"`} {
		err := Follow(t.Context(), path, route, nil, func() { t.Errorf("%s started", route) }, ignoreLine)
		if failure, ok := errors.AsType[*Failure](err); !ok || failure.Text != want {
			t.Errorf("Follow %s = %v, want %s", route, err, want)
		}
	}
}

// A stream ends when its client goes, and when the server closes.
func TestFollowEnds(t *testing.T) {
	ended := make(chan struct{}, 1)
	stream := func(ctx context.Context, _ json.RawMessage, begin func(), _ func(value any) error) error {
		begin()
		<-ctx.Done()
		ended <- struct{}{}
		return ctx.Err()
	}
	path := serveStream(t, stream)
	ctx, cancel := context.WithCancel(t.Context())
	if err := Follow(ctx, path, "POST /stream", nil, cancel, ignoreLine); !errors.Is(err, context.Canceled) {
		t.Errorf("Follow = %v, want %v", err, context.Canceled)
	}
	<-ended

	server := listen(t)
	serverContext, end := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		server.Serve(Handler(serverContext, nil, map[string]Stream{"POST /stream": stream}, slog.New(slog.DiscardHandler)))
	})
	if err := Follow(t.Context(), server.path, "POST /stream", nil, end, ignoreLine); err != nil {
		t.Errorf("Follow = %v, want no error when the server ends", err)
	}
	<-ended
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	serving.Wait()
}
