package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"perigee/engine/config"
	"perigee/engine/control"
	"perigee/engine/manager"
	"perigee/engine/queue"
)

// The operations of a running server, by the names that the commands ask for.
const (
	operationCompare  = "compare"
	operationFailed   = "queue failed"
	operationIdentify = "identify"
	operationPush     = "queue push"
	operationReload   = "reload"
	operationStatus   = "status"
	operationStop     = "stop"
)

// operations are what the programs of this machine can ask of the server.
func (s *service) operations() map[string]control.Operation {
	return map[string]control.Operation{
		operationCompare: func(ctx context.Context, _ json.RawMessage) (any, error) {
			outcome, err := s.server.Compare(ctx)
			if err != nil {
				return nil, err
			}
			return reportOf(outcome), nil
		},
		operationFailed: func(context.Context, json.RawMessage) (any, error) {
			return failedReportsOf(s.server.FailedJobs()), nil
		},
		operationIdentify: func(context.Context, json.RawMessage) (any, error) {
			return identity{PID: os.Getpid(), Port: s.status.Port, Settings: s.file}, nil
		},
		operationPush: func(ctx context.Context, arguments json.RawMessage) (any, error) {
			var put queue.Put
			if err := json.Unmarshal(arguments, &put); err != nil {
				return nil, fmt.Errorf("push: %w", err)
			}
			return s.server.PutJob(ctx, put)
		},
		operationReload: func(ctx context.Context, _ json.RawMessage) (any, error) {
			outcome, err := s.reload(ctx, s.server.Reload)
			if err != nil {
				return nil, err
			}
			return reportOf(outcome), nil
		},
		operationStatus: func(ctx context.Context, _ json.RawMessage) (any, error) { return s.report(ctx), nil },
		operationStop: func(context.Context, json.RawMessage) (any, error) {
			s.stop()
			<-s.ended // at the latest soon after stop.timeout
			return nil, s.err
		},
	}
}

// respondTime is how long a server may take to get round to a turn before it is said not to respond; far more than any
// turn that goes well.
const respondTime = time.Second

// report says how the server is.
func (s *service) report(ctx context.Context) statusReport {
	ctx, cancel := context.WithTimeout(ctx, respondTime)
	defer cancel()
	responded := make(chan error, 1)
	s.parts.Go(func() { responded <- s.server.Responds(ctx) }) // which a loop that is held and full keeps for longer
	report := statusReport{
		PID:         os.Getpid(),
		Version:     version(),
		Generation:  s.server.Generation(),
		Started:     s.since,
		Uptime:      time.Since(s.since).Seconds(),
		Connections: s.server.Connections(),
		Ready:       s.server.Ready(),
		Socket:      s.status.Socket,
		Jobs:        jobsReportOf(s.server.Jobs()),
	}
	select {
	case err := <-responded:
		report.Responds = err == nil
	case <-ctx.Done():
	}
	return report
}

// summary is what the service manager shows of a server that runs.
func summary(routes manager.Routes) string {
	return fmt.Sprintf("generation %d: %d messages, %d commands", routes.Generation, len(routes.Messages), len(routes.Commands))
}

// errNoPort is the error of a command that cannot tell which server is meant.
var errNoPort = errors.New("server.port is 0, which is any: name the server with --port or --control")

// errOff is the error of a command for a server that nobody can ask.
var errOff = errors.New(`server.control is "off": this server takes no commands`)

// call has the server that the settings describe perform an operation.
func (p *program) call(ctx context.Context, c *cli.Command, operation string, arguments, result any) error {
	settings, err := p.load(c)
	if err != nil {
		return err
	}
	switch named := settings.Server.Control; {
	case named == config.ControlOff:
		return errOff
	case named == "" && settings.Server.Port == 0:
		return p.elsewhere(ctx, settings, errNoPort)
	}
	err = control.Call(ctx, p.controlPath(settings, settings.Server.Port), operation, arguments, result)
	if errors.Is(err, control.ErrNotRunning) {
		return p.elsewhere(ctx, settings, err)
	}
	return err
}
