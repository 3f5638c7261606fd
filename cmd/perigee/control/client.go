package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"perigee/engine/platform"
)

// Failure is the error of an operation, as the server has sent it.
type Failure struct {
	Text string `json:"error"`
}

func (f *Failure) Error() string { return f.Text }

// Call calls an operation of the server that listens at path and waits for its result as long as ctx lasts. route is that of
// the operation, such as "POST /reload". arguments are sent as JSON, unless they are nil; the JSON of the result is stored in
// result, unless that is nil. The error is a *Failure if the server refuses the request or the operation fails, and wraps
// ErrNotRunning if no server listens there.
func Call(ctx context.Context, path, route string, arguments, result any) error {
	status, body, err := send(ctx, path, route, arguments)
	if err != nil {
		return wrap(ctx, path, err)
	}
	if status != http.StatusOK {
		failure := &Failure{}
		result, err = failure, failure
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(body, result); err != nil {
		return fmt.Errorf("control: %s: the response to %s: %w", path, route, err)
	}
	return err
}

// wrap returns the error of a request that got no response, or not all of it.
func wrap(ctx context.Context, path string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("control: %s: %w", path, err)
}

// send sends a request and reads the response.
func send(ctx context.Context, path, route string, arguments any) (status int, body []byte, err error) {
	response, err := open(ctx, path, route, arguments)
	if err != nil {
		return 0, nil, err
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, maxResponse))
	err = errors.Join(err, response.Body.Close())
	return response.StatusCode, body, err
}

// open sends a request and returns the response, whose body the caller reads and closes.
func open(ctx context.Context, path, route string, arguments any) (*http.Response, error) {
	var sent []byte
	if arguments != nil {
		var err error
		if sent, err = json.Marshal(arguments); err != nil {
			return nil, err
		}
	}
	method, target, _ := strings.Cut(route, " ")
	request, err := http.NewRequestWithContext(ctx, method, "http://perigee"+target, bytes.NewReader(sent))
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dialTrusted(ctx, path) },
	}}
	response, err := client.Do(request)
	if err == nil {
		return response, nil
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the URL, which means nothing to users
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the server has ended before it answered")
	}
	return nil, err
}

// dialTrusted connects to a server of this user or of root. Sending a request may take ioTimeout; the response takes as long
// as the operation does.
func dialTrusted(ctx context.Context, path string) (net.Conn, error) {
	conn, err := dial(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkServer(conn), conn.SetWriteDeadline(time.Now().Add(ioTimeout))); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// dial connects to the server that listens at path.
func dial(ctx context.Context, path string) (*net.UnixConn, error) {
	dialer := net.Dialer{Timeout: ioTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn.(*net.UnixConn), nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, platform.ConnectionRefused):
		return nil, ErrNotRunning
	case errors.Is(err, syscall.EAGAIN): // unix(7): its backlog is full
		return nil, fmt.Errorf("%w, and accepts no more connections", ErrRunning)
	}
	return nil, err
}
