package control

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Stream performs a request whose result is many values, each of which is sent as a line of JSON as soon as it is there. Once begin
// has been called, the client knows that the request is accepted. send fails when the client has gone or does not read, and ctx ends
// then. A value has no member error: an error that Stream returns after begin is sent as the last line.
type Stream func(ctx context.Context, arguments json.RawMessage, begin func(), send func(value any) error) error

// performStream runs a stream. Unlike an operation, it ends with the request.
func performStream(ctx context.Context, stream Stream, w http.ResponseWriter, r *http.Request) {
	arguments, status, err := readArguments(w, r)
	if err != nil {
		respondError(w, status, err)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.Context(), cancel)()
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Time{}) // of an open connection; otherwise the request would end with it
	began := false
	begin := func() {
		began = true
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.WriteHeader(http.StatusOK)
		_ = connection.Flush() // what is sent next fails too
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	send := func(value any) error {
		if err := connection.SetWriteDeadline(time.Now().Add(ioTimeout)); err != nil {
			return err
		}
		if err := encoder.Encode(value); err != nil {
			return err
		}
		return connection.Flush()
	}
	switch err := stream(ctx, arguments, begin, send); {
	case err == nil || ctx.Err() != nil:
	case began:
		_ = send(Failure{Text: err.Error()}) // fails only if the client has gone
	default:
		respondError(w, http.StatusUnprocessableEntity, err)
	}
}

// Follow calls a stream of the server that listens at path, and each with every value, a line of JSON. started is called when the
// server has accepted the request. Follow returns when the stream has ended, each returns an error, or ctx ends. Its errors are those
// of Call; it returns the error of each as it is.
func Follow(ctx context.Context, path, route string, arguments any, started func(), each func(line []byte) error) error {
	response, err := open(ctx, path, route, arguments)
	if err != nil {
		return wrap(ctx, path, err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode != http.StatusOK {
		return readFailure(response.Body)
	}
	started()
	lines := bufio.NewReader(response.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil {
			return wrap(ctx, path, err)
		}
		failure := &Failure{}
		if err := json.Unmarshal(line, failure); err != nil {
			return fmt.Errorf("control: %s: the response to %s: %w", path, route, err)
		}
		if failure.Text != "" {
			return failure
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

// readFailure returns the error of a response.
func readFailure(body io.Reader) error {
	failure := &Failure{}
	if err := json.NewDecoder(io.LimitReader(body, maxResponse)).Decode(failure); err != nil {
		return fmt.Errorf("control: the response: %w", err)
	}
	return failure
}
