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
	"perigee/engine/wire"
)

// maxArguments is the maximum size of arguments from standard input, in bytes: more than a job of beanstalkd holds.
const maxArguments = 1 << 20

func (p *program) push() *cli.Command {
	return &cli.Command{
		Name:      "push",
		Usage:     "put a command on the queue, for the server that takes jobs from it",
		ArgsUsage: "NAME [JSON|-]",
		Description: "The arguments of the command are a JSON object; with -, it is read from standard input. Prints the number of the " +
			"job.\n\n" + examples(`perigee push AddPrize '{"prize": {"name": "Mug"}}'`, "perigee push --delay 10s Announce - <arguments.json"),
		Flags: append(p.settingFlags("push", jobSettings),
			&cli.StringFlag{Name: "delay", Usage: "time before the job becomes ready, in whole seconds", Value: "0s"},
			&cli.StringFlag{Name: "priority", Usage: "priority; 0 is the most urgent", Value: fmt.Sprint(queue.DefaultPriority)},
			&cli.StringFlag{
				Name: "ttr", Usage: "time after which the queue gives the job to another worker, in whole seconds, at least 1s",
				DefaultText: config.Duration(queue.DefaultTTR).String(),
			},
			&cli.StringFlag{Name: "tube", Usage: "use queue `NAME`, like --queue-name"},
		),
		ArgValidator: func(_ context.Context, c *cli.Command) error {
			if c.Args().Len() > 2 {
				return wrongUsage(c, fmt.Errorf("unexpected argument %q; are there single quotes around the JSON?", c.Args().Get(2)))
			}
			return nil
		},
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

// queueName returns the queue that the command line selects.
func queueName(c *cli.Command, settings config.Config) string {
	return cmp.Or(c.String("tube"), settings.Queue.Name)
}

// job returns the job of a command line.
func (p *program) job(c *cli.Command) (queue.PutRequest, error) {
	var put queue.PutRequest
	priority, errPriority := wholeNumber(c, "priority", math.MaxUint32)
	put.Priority = uint32(priority)
	var errDelay, errTTR error
	put.Delay, errDelay = wholeSeconds("delay", c.String("delay"), 0)
	if c.IsSet("ttr") {
		put.TTR, errTTR = wholeSeconds("ttr", c.String("ttr"), time.Second)
	}
	name, arguments := c.Args().Get(0), []byte(c.Args().Get(1))
	switch {
	case name == "":
		return put, wrongUsage(c, errors.New("the name of a command is missing"))
	case errPriority != nil || errDelay != nil || errTTR != nil:
		return put, usageError{cmp.Or(errPriority, errDelay, errTTR), c.FullName()}
	}
	if string(arguments) == "-" {
		var err error
		if arguments, err = io.ReadAll(io.LimitReader(c.Root().Reader, maxArguments+1)); err != nil {
			return put, fmt.Errorf("push: reading the arguments: %w", err)
		}
		if len(arguments) > maxArguments {
			return put, wrongUsage(c, fmt.Errorf("the arguments are larger than %d bytes", maxArguments))
		}
	}
	switch {
	case len(arguments) == 0:
	case !json.Valid(arguments):
		return put, wrongUsage(c, errors.New(`the arguments are not JSON; write for example '{"name": "Mug"}'`))
	case !isObject(arguments):
		return put, wrongUsage(c, fmt.Errorf(`the arguments must be a JSON object, found %s; write for example '{"name": "Mug"}'`, wire.Kind(arguments)))
	}
	var err error
	put.Body, err = jobqueue.Body(name, arguments)
	return put, err
}

// isObject reports whether a JSON text is an object.
func isObject(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{"))
}

// maxTime is the maximum time that beanstalkd supports.
const maxTime = math.MaxUint32 * time.Second

// wholeSeconds parses a time in whole seconds, as beanstalkd counts it.
func wholeSeconds(flag, text string, least time.Duration) (time.Duration, error) {
	var d config.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return 0, fmt.Errorf("push: --%s: %w", flag, err)
	}
	whole := max((d.Std() + time.Second - 1).Truncate(time.Second), least)
	switch {
	case d.Std() > maxTime:
		return 0, fmt.Errorf("push: --%s: %s is more than %s", flag, d, maxTime)
	case whole != d.Std():
		return 0, fmt.Errorf("push: --%s: %s is not allowed; use whole seconds, at least %s, for example %q", flag, d, config.Duration(least), config.Duration(whole).String())
	}
	return whole, nil
}

// put puts a job on the queue service, or passes it to the running server if that holds the queue itself.
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
	defer func() { _ = service.Close() }() // the put has been answered
	id, err = service.Put(ctx, put)
	if unreachable(err) {
		err = fmt.Errorf("%w; for a server started with --queue-driver memory, use that flag here too", explain(settings, err))
	}
	return id, err
}

// explain adds a remedy to the error of a queue service that cannot be reached.
func explain(settings config.Config, err error) error {
	switch {
	case !unreachable(err):
		return err
	case settings.Queue.Driver == config.DriverDatabase:
		return fmt.Errorf("%w: start the database there, or name another with queue.dsn", err)
	default:
		return fmt.Errorf("%w: start %s there, or name its address with queue.address or --queue-address", err, settings.Queue.Driver)
	}
}

// unreachable reports whether err says that the queue service cannot be reached.
func unreachable(err error) bool {
	_, refused := errors.AsType[syscall.Errno](err)
	_, unknown := errors.AsType[*net.DNSError](err)
	return refused && !errors.Is(err, fs.ErrPermission) || unknown
}

// queueTimeout is how long a command waits for the queue service.
const queueTimeout = 10 * time.Second
