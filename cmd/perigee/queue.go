package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/engine/jobqueue"
	"perigee/engine/queue"
)

func (p *program) queue() *cli.Command {
	return &cli.Command{
		Name:         "queue",
		Usage:        "look after the queue: stats, peek, failed, kick, delete",
		OnUsageError: onUsageError,
		Commands:     []*cli.Command{p.queueStats(), p.queuePeek(), p.queueFailed(), p.queueKick(), p.queueDelete()},
		Action:       showSubcommands,
	}
}

// queueFlags are those of all commands of the queue.
func queueFlags() []cli.Flag {
	return append(settingFlags(jobFlags), jsonFlag(), &cli.StringFlag{Name: "tube", Usage: "the queue, in place of queue.name"})
}

// atQueue is the action of a command that asks the queue service something.
func (p *program) atQueue(do func(ctx context.Context, c *cli.Command, q jobqueue.Client, name string) error) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		settings, err := p.load(c)
		if err != nil {
			return err
		}
		service, err := jobqueue.Open(settings.Queue)
		if err != nil {
			return err
		}
		defer func() { _ = service.Close() }() // what was asked has been answered
		ctx, cancel := context.WithTimeout(ctx, queueTimeout)
		defer cancel()
		return explain(do(ctx, c, service, queueName(c, settings)))
	}
}

func (p *program) queueStats() *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "count the jobs of the queue by state", Flags: queueFlags(), OnUsageError: onUsageError,
		Action: noArguments(p.atQueue(func(ctx context.Context, c *cli.Command, q jobqueue.Client, name string) error {
			counts, err := q.Counts(ctx, name)
			if err != nil {
				return err
			}
			return p.show(c, report.OfCounts(name, counts))
		})),
	}
}

func (p *program) queuePeek() *cli.Command {
	return &cli.Command{
		Name: "peek", Usage: "show the next job of a state, or the job of a number", ArgsUsage: "[ready|delayed|buried|NUMBER]",
		Flags: queueFlags(), OnUsageError: onUsageError,
		Action: atMost(1, p.atQueue(func(ctx context.Context, c *cli.Command, q jobqueue.Client, name string) error {
			which := cmp.Or(c.Args().Get(0), string(queue.Ready))
			job, stats, err := peek(ctx, q, name, which)
			switch {
			case errors.Is(err, queue.ErrNotFound) && numbered(which):
				return fmt.Errorf("queue peek: there is no job %s", which)
			case errors.Is(err, queue.ErrNotFound):
				return fmt.Errorf("queue peek: no job of %q is %s", name, which)
			case err != nil:
				return err
			}
			return p.show(c, report.OfJob(job, stats))
		})),
	}
}

// numbered tells whether a job is meant by its number.
func numbered(which string) bool {
	_, err := strconv.ParseUint(which, 10, 64)
	return err == nil
}

// peek finds the job that a command line means.
func peek(ctx context.Context, q jobqueue.Client, name, which string) (queue.Job, queue.Stats, error) {
	switch state := queue.State(which); state {
	case queue.Ready, queue.Delayed, queue.Buried:
		return q.Peek(ctx, name, state)
	}
	id, err := strconv.ParseUint(which, 10, 64)
	if err != nil {
		return queue.Job{}, queue.Stats{}, usageError{fmt.Errorf("queue peek: %q is neither ready, delayed, buried nor a number", which)}
	}
	return q.PeekJob(ctx, id)
}

func (p *program) queueKick() *cli.Command {
	return &cli.Command{
		Name: "kick", Usage: "have buried jobs tried again", ArgsUsage: "[COUNT]",
		Description: "Without a count, one. Where no job is buried, delayed ones are made ready. A job that was buried after its last " +
			"attempt is tried once more; one that was buried before has the attempts that it has left.",
		Flags: append(queueFlags(), &cli.Uint64Flag{Name: "job", Usage: "the number of the one job to kick"}), OnUsageError: onUsageError,
		Action: atMost(1, p.atQueue(func(ctx context.Context, c *cli.Command, q jobqueue.Client, name string) error {
			if id := c.Uint64("job"); id > 0 {
				if count := c.Args().First(); count != "" {
					return usageError{fmt.Errorf("queue kick: either --job %d or %q jobs", id, count)}
				}
				switch err := q.KickJob(ctx, id); {
				case errors.Is(err, queue.ErrNotFound):
					return fmt.Errorf("queue kick: there is no job %d that is buried or delayed", id)
				case err != nil:
					return err
				}
				return p.print(fmt.Sprintf("job %d is ready\n", id))
			}
			count := 1
			if given := c.Args().First(); given != "" {
				var err error
				if count, err = strconv.Atoi(given); err != nil || count < 1 {
					return usageError{fmt.Errorf("queue kick: %q is not a number of jobs", given)}
				}
			}
			kicked, err := q.Kick(ctx, name, count)
			if err != nil {
				return err
			}
			if kicked == 0 {
				return p.print(fmt.Sprintf("no job of %q is buried or delayed\n", name))
			}
			return p.print(fmt.Sprintf("made ready again in %q: %d\n", name, kicked))
		})),
	}
}

func (p *program) queueDelete() *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "remove a job that no worker has", ArgsUsage: "NUMBER", Flags: queueFlags(), OnUsageError: onUsageError,
		Action: atMost(1, p.atQueue(func(ctx context.Context, c *cli.Command, q jobqueue.Client, _ string) error {
			id, err := strconv.ParseUint(c.Args().First(), 10, 64)
			if err != nil {
				return usageError{errors.New("queue delete: the number of the job is missing")}
			}
			switch err := q.Delete(ctx, id); {
			case errors.Is(err, queue.ErrNotFound):
				return fmt.Errorf("queue delete: there is no job %d, or a server has it in hand", id)
			case err != nil:
				return err
			}
			return p.print(fmt.Sprintf("job %d is gone\n", id))
		})),
	}
}
