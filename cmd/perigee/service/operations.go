package service

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"perigee/cmd/perigee/control"
	"perigee/cmd/perigee/report"
	"perigee/engine/manager"
	"perigee/engine/queue"
)

// The operations of a running server, by the names that the commands ask for.
const (
	Compare  = "compare"      // answered with a report.Reload
	Failed   = "queue failed" // report.Failures
	Identify = "identify"     // Identity
	Push     = "queue push"   // of a queue.Put; the number of the job
	Reload   = "reload"       // report.Reload
	Status   = "status"       // report.Status
	Stop     = "stop"         // nothing, after the end
)

// Identity is what a server says of itself to a command that looks for it.
type Identity struct {
	PID      int    `json:"pid"`
	Port     int    `json:"port"`
	Settings string `json:"settings"` // the file, absolute
}

// operations are what the programs of this machine can ask of the server.
func (s *service) operations() map[string]control.Operation {
	return map[string]control.Operation{
		Compare: func(ctx context.Context, _ json.RawMessage) (any, error) {
			outcome, err := s.server.Compare(ctx)
			if err != nil {
				return nil, err
			}
			return report.OfReload(outcome), nil
		},
		Failed: func(context.Context, json.RawMessage) (any, error) {
			return report.OfFailures(s.server.FailedJobs()), nil
		},
		Identify: func(context.Context, json.RawMessage) (any, error) {
			return Identity{PID: os.Getpid(), Port: s.status.Port, Settings: s.options.File}, nil
		},
		Push: func(ctx context.Context, arguments json.RawMessage) (any, error) {
			var put queue.Put
			if err := json.Unmarshal(arguments, &put); err != nil {
				return nil, fmt.Errorf("push: %w", err)
			}
			return s.server.PutJob(ctx, put)
		},
		Reload: func(ctx context.Context, _ json.RawMessage) (any, error) {
			outcome, err := s.reload(ctx, s.server.Reload)
			if err != nil {
				return nil, err
			}
			return report.OfReload(outcome), nil
		},
		Status: func(ctx context.Context, _ json.RawMessage) (any, error) { return s.tell(ctx), nil },
		Stop: func(context.Context, json.RawMessage) (any, error) {
			s.stop()
			<-s.ended // at the latest soon after stop.timeout
			return nil, s.err
		},
	}
}

// respondTime is how long a server may take to get round to a turn before it is said not to respond; far more than any
// turn that goes well.
const respondTime = time.Second

// tell says how the server is.
func (s *service) tell(ctx context.Context) report.Status {
	ctx, cancel := context.WithTimeout(ctx, respondTime)
	defer cancel()
	responded := make(chan error, 1)
	s.parts.Go(func() { responded <- s.server.Responds(ctx) }) // which a loop that is held and full keeps for longer
	status := report.Status{
		PID:         os.Getpid(),
		Version:     s.options.Version,
		Generation:  s.server.Generation(),
		Started:     s.since,
		Uptime:      time.Since(s.since).Seconds(),
		Connections: s.server.Connections(),
		Ready:       s.server.Ready(),
		Socket:      s.status.Socket,
		Jobs:        report.OfJobs(s.server.Jobs()),
	}
	select {
	case err := <-responded:
		status.Responds = err == nil
	case <-ctx.Done():
	}
	return status
}

// summary is what the service manager shows of a server that runs.
func summary(routes manager.Routes) string {
	return fmt.Sprintf("generation %d: %d messages, %d commands", routes.Generation, len(routes.Messages), len(routes.Commands))
}
