package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// Failure is what a server answers when an operation has failed.
type Failure struct {
	// Text is what the operation said.
	Text string
}

func (f *Failure) Error() string { return f.Text }

// Call has the server that listens at path perform an operation, and waits for its result, as long as ctx lasts. arguments
// is sent as JSON, nil is none; the result's JSON is put into result, unless that is nil. The error is a *Failure where the
// operation failed, and wraps ErrNotRunning where no server listens there.
func Call(ctx context.Context, path, operation string, arguments, result any) error {
	answered, err := ask(ctx, path, operation, arguments)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("control: %s: %w", path, err)
	}
	if answered.Error != "" {
		return &Failure{Text: answered.Error}
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answered.Result, result); err != nil {
		return fmt.Errorf("control: %s: the result of %q: %w", path, operation, err)
	}
	return nil
}

func ask(ctx context.Context, path, operation string, arguments any) (answered answer, err error) {
	asked := request{Operation: operation}
	if arguments != nil {
		if asked.Arguments, err = json.Marshal(arguments); err != nil {
			return answer{}, err
		}
	}
	text, err := json.Marshal(asked)
	if err != nil {
		return answer{}, err
	}
	conn, err := connect(ctx, path)
	if err != nil {
		return answer{}, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := trust(conn); err != nil {
		return answer{}, err
	}
	if err := conn.SetWriteDeadline(time.Now().Add(lineTimeout)); err != nil {
		return answer{}, err
	}
	// The answer takes as long as the operation does.
	release := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // of an open connection
	defer release()
	if _, err := conn.Write(append(text, '\n')); err != nil && !errors.Is(err, syscall.EPIPE) {
		return answer{}, err // a server without room answers and closes before it reads
	}
	err = json.NewDecoder(io.LimitReader(conn, maxAnswer+1)).Decode(&answered) // and a line break
	if errors.Is(err, io.EOF) {
		err = errors.New("the server has ended before it answered")
	}
	return answered, err
}

// connect opens a connection to whoever listens.
func connect(ctx context.Context, path string) (*net.UnixConn, error) {
	dialer := net.Dialer{Timeout: lineTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, connectError(err)
	}
	return conn.(*net.UnixConn), nil
}
