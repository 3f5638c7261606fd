package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/service"
	"perigee/engine/config"
	"perigee/engine/jobqueue"
	"perigee/engine/queue"
)

// maxArguments is how many bytes of arguments are read from standard input: more than a job of beanstalkd holds.
const maxArguments = 1 << 20

func (p *program) push() *cli.Command {
	return &cli.Command{
		Name:      "push",
		Usage:     "put a command on the queue; the server that takes jobs from it runs it",
		ArgsUsage: "NAME [JSON|-]",
		Description: "The arguments are a JSON object, or are read from standard input where - stands in their place. " +
			"The number of the job is printed when the queue has it.",
		Flags: append(settingFlags(jobFlags),
			&cli.StringFlag{Name: "delay", Usage: "time before the job may be taken, in whole seconds such as 10s", Value: "0s"},
			&cli.Uint32Flag{Name: "priority", Usage: "0 is the most urgent", Value: queue.DefaultPriority},
			&cli.StringFlag{
				Name: "ttr", Usage: "time that a worker may be silent about the job, in whole seconds from 1s on",
				Value: config.Duration(queue.DefaultTTR).String(),
			},
			&cli.StringFlag{Name: "tube", Usage: "the queue, in place of queue.name"},
		),
		OnUsageError: onUsageError,
		Action: func(ctx context.Context, c *cli.Command) error {
			put, err := p.job(c)
			if err != nil {
				return err
			}
			settings, err := p.load(c)
			if err != nil {
				return err
			}
			put.Queue = queueName(c, settings)
			id, err := p.put(ctx, c, settings, put)
			if err != nil {
				return err
			}
			return p.print(fmt.Sprintf("job %d is in %q\n", id, put.Queue))
		},
	}
}

// queueName returns the queue that a command line means.
func queueName(c *cli.Command, settings config.Config) string {
	if name := c.String("tube"); name != "" {
		return name
	}
	return settings.Queue.Name
}

// job reads the job of a command line.
func (p *program) job(c *cli.Command) (queue.PutRequest, error) {
	put := queue.PutRequest{Priority: c.Uint32("priority")}
	var errDelay, errTTR error
	put.Delay, errDelay = wholeSeconds("delay", c.String("delay"), 0)
	put.TTR, errTTR = wholeSeconds("ttr", c.String("ttr"), time.Second)
	name, arguments := c.Args().Get(0), []byte(c.Args().Get(1))
	switch {
	case name == "":
		return put, usageError{errors.New("push: the name of a command is missing")}
	case c.Args().Len() > 2:
		return put, usageError{fmt.Errorf("push: unexpected argument %q; are there single quotes around the JSON?", c.Args().Get(2))}
	case errDelay != nil || errTTR != nil:
		return put, usageError{cmp.Or(errDelay, errTTR)}
	}
	if string(arguments) == "-" {
		var err error
		if arguments, err = io.ReadAll(io.LimitReader(c.Root().Reader, maxArguments+1)); err != nil {
			return put, fmt.Errorf("push: reading the arguments: %w", err)
		}
		if len(arguments) > maxArguments {
			return put, usageError{fmt.Errorf("push: the arguments are larger than %d bytes", maxArguments)}
		}
	}
	switch {
	case len(arguments) == 0:
	case !json.Valid(arguments):
		return put, usageError{errors.New(`push: the arguments are no JSON; write for example '{"name": "Mug"}'`)}
	case !isObject(arguments):
		return put, usageError{errors.New(`push: the arguments are no JSON object; write for example '{"name": "Mug"}'`)}
	}
	var err error
	put.Body, err = jobqueue.Body(name, arguments)
	return put, err
}

// isObject tells whether a JSON text is an object.
func isObject(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{"))
}

// longestTime is the longest time that beanstalkd counts.
const longestTime = math.MaxUint32 * time.Second

// wholeSeconds reads a time as beanstalkd counts it. The error says what would be right.
func wholeSeconds(flag, text string, least time.Duration) (time.Duration, error) {
	var d config.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return 0, fmt.Errorf("push: --%s: %w", flag, err)
	}
	whole := max((d.Std() + time.Second - 1).Truncate(time.Second), least)
	switch {
	case d.Std() > longestTime:
		return 0, fmt.Errorf("push: --%s: %s is more than %s", flag, d, longestTime)
	case whole != d.Std():
		return 0, fmt.Errorf("push: --%s: %s is not a time in whole seconds from %s on; write for example %q", flag, d, config.Duration(least), config.Duration(whole).String())
	}
	return whole, nil
}

// put puts a job: at the service, or with the running server where it has the queue itself.
func (p *program) put(ctx context.Context, c *cli.Command, settings config.Config, put queue.PutRequest) (id uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	if settings.Queue.Driver == config.DriverMemory {
		err := p.call(ctx, c, service.Push, put, &id)
		return id, err
	}
	service, err := jobqueue.Open(settings.Queue)
	if err != nil {
		return 0, err
	}
	defer func() { _ = service.Close() }() // what was put has been answered
	id, err = service.Put(ctx, put)
	return id, explain(err)
}

// explain adds to an error of a queue service that is not there what may be done about it.
func explain(err error) error {
	_, refused := errors.AsType[syscall.Errno](err)
	_, unknown := errors.AsType[*net.DNSError](err)
	if refused && !errors.Is(err, fs.ErrPermission) || unknown {
		return fmt.Errorf("%w: start beanstalkd there, or name its address with queue.address or --queue-address", err)
	}
	return err
}

// queueTimeout is how long a queue service may take to answer a command line.
const queueTimeout = 10 * time.Second
