package service

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"perigee/cmd/perigee/control"
	"perigee/cmd/perigee/report"
	"perigee/engine/console"
	"perigee/engine/manager"
	"perigee/engine/queue"
)

// The operations of a running server, by their routes at the control socket.
const (
	Ask      = "POST /console"     // takes a Question to the console's API and returns an Answer
	Ticket   = "POST /ticket"      // returns the URL of the console with a ticket that opens one session
	Compare  = "GET /changes"      // returns a report.Reload
	Failed   = "GET /queue/failed" // returns report.Failures
	Identify = "GET /identity"     // returns an Identity
	Push     = "POST /queue/jobs"  // takes a queue.PutRequest and returns the ID of the job
	Reload   = "POST /reload"      // returns a report.Reload
	Status   = "GET /status"       // returns a report.Status
	Stop     = "POST /stop"        // returns nothing, once the server has stopped
	Trace    = "POST /trace"       // takes a trace.Filter; a stream of trace.Event
)

// Identity identifies a server, so that a command finds the server of its settings file.
type Identity struct {
	PID      int    `json:"pid"`
	Port     int    `json:"port"`
	Settings string `json:"settings"` // absolute path of the file
}

// Question is a request to the API of the console.
type Question struct {
	Method string          `json:"method"`
	Path   string          `json:"path"` // below that of the console: "/api/overview"
	Body   json.RawMessage `json:"body,omitempty"`
}

// Answer is the response of the console's API to a Question.
type Answer struct {
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
}

// operations returns the operations that commands on this machine can call.
func (s *service) operations() map[string]control.Operation {
	return map[string]control.Operation{
		Compare: func(ctx context.Context, _ json.RawMessage) (any, error) {
			reload, err := s.server.Compare(ctx)
			return report.NewReload(reload), err
		},
		Ask: s.askConsole,
		Ticket: func(context.Context, json.RawMessage) (any, error) {
			c, err := s.server.Console()
			if err != nil {
				return nil, err
			}
			return s.status.Console + "#ticket=" + c.Ticket(), nil
		},
		Failed: func(context.Context, json.RawMessage) (any, error) {
			return report.NewFailures(s.server.FailedJobs()), nil
		},
		Identify: func(context.Context, json.RawMessage) (any, error) {
			return Identity{PID: os.Getpid(), Port: s.status.Port, Settings: s.options.File}, nil
		},
		Push: func(ctx context.Context, arguments json.RawMessage) (any, error) {
			var put queue.PutRequest
			if err := json.Unmarshal(arguments, &put); err != nil {
				return nil, fmt.Errorf("push: %w", err)
			}
			return s.server.PutJob(ctx, put)
		},
		Reload: func(ctx context.Context, _ json.RawMessage) (any, error) {
			reload, err := s.reload(ctx, s.server.Reload)
			return report.NewReload(reload), err
		},
		Status: func(ctx context.Context, _ json.RawMessage) (any, error) { return s.currentStatus(ctx), nil },
		Stop: func(context.Context, json.RawMessage) (any, error) {
			s.stop()
			<-s.ended // soon after stop.timeout at the latest
			return nil, s.err
		},
	}
}

// askConsole passes a request to the API of the console.
func (s *service) askConsole(ctx context.Context, arguments json.RawMessage) (any, error) {
	var q Question
	if err := json.Unmarshal(arguments, &q); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	c, err := s.server.Console()
	if err != nil {
		return nil, err
	}
	status, body, err := c.Do(ctx, q.Method, q.Path, q.Body)
	return Answer{status, body}, err
}

// respondTimeout is how long a server may take to run a turn before its status says that it does not respond. Turns normally
// take far less.
const respondTimeout = time.Second

// currentStatus returns the status of the server.
func (s *service) currentStatus(ctx context.Context) report.Status {
	ctx, cancel := context.WithTimeout(ctx, respondTimeout)
	defer cancel()
	responded := make(chan error, 1)
	s.background.Go(func() { responded <- s.server.Responds(ctx) }) // may outlast ctx if a script blocks the loop and its queue is full
	status := report.Status{
		PID:         os.Getpid(),
		Build:       s.options.Build,
		Generation:  s.server.Generation(),
		Started:     s.startedAt,
		Uptime:      time.Since(s.startedAt).Seconds(),
		Connections: s.server.Connections(),
		Away:        s.server.Away(),
		Ready:       s.server.Ready(),
		Socket:      s.status.Socket,
		Jobs:        console.NewJobs(s.server.Jobs()),
	}
	select {
	case err := <-responded:
		status.Responds = err == nil
	case <-ctx.Done():
	}
	return status
}

// summary is the status text that the service manager shows while the server runs.
func summary(routes manager.Routes) string {
	return fmt.Sprintf("generation %d: %d messages, %d commands", routes.Generation, len(routes.Messages), len(routes.Commands))
}
