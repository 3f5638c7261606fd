package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/engine/jobqueue"
	"perigee/engine/queue"
)

func (p *program) queue() *cli.Command {
	return &cli.Command{
		Name:     "queue",
		Usage:    "inspect and repair the queue: stats, peek, failed, kick, delete",
		Commands: []*cli.Command{p.queueStats(), p.queuePeek(), p.queueFailed(), p.queueKick(), p.queueDelete()},
		Action:   showSubcommands,
	}
}

// queueFlags returns the flags of a command that uses the queue service.
func (p *program) queueFlags(command string) []cli.Flag {
	return append(p.settingFlags(command, jobSettings), jsonFlag(), &cli.StringFlag{Name: "tube", Usage: "use queue `NAME`, like --queue-name"})
}

// withQueue returns the action of a command that uses the queue service.
func (p *program) withQueue(do func(ctx context.Context, c *cli.Command, q jobqueue.Client, name string) error) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		settings, err := p.load(c)
		if err != nil {
			return err
		}
		service, err := jobqueue.Open(settings.Queue)
		if err != nil {
			return err
		}
		defer func() { _ = service.Close() }() // all requests have been answered
		ctx, cancel := context.WithTimeout(ctx, queueTimeout)
		defer cancel()
		return explain(settings, do(ctx, c, service, queueName(c, settings)))
	}
}

func (p *program) queueStats() *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "count the jobs of the queue by state", Flags: p.queueFlags("stats"),
		Action: p.withQueue(func(ctx context.Context, c *cli.Command, q jobqueue.Client, name string) error {
			counts, err := q.Counts(ctx, name)
			if err != nil {
				return err
			}
			return p.show(c, report.NewQueue(name, counts))
		}),
	}
}

func (p *program) queuePeek() *cli.Command {
	return &cli.Command{
		Name: "peek", Usage: "show the next job in a state, or the job with a number", ArgsUsage: "[ready|delayed|buried|NUMBER]",
		Flags: p.queueFlags("peek"),
		Action: p.withQueue(func(ctx context.Context, c *cli.Command, q jobqueue.Client, name string) error {
			which := cmp.Or(c.Args().Get(0), string(queue.Ready))
			job, stats, err := peek(ctx, q, name, which)
			if err != nil {
				return err
			}
			return p.show(c, report.NewJob(job, stats))
		}),
	}
}

// peek returns the job that an argument selects.
func peek(ctx context.Context, q jobqueue.Client, name, which string) (job queue.Job, stats queue.Stats, err error) {
	switch state := queue.State(which); state {
	case queue.Ready, queue.Delayed, queue.Buried:
		job, stats, err = q.Peek(ctx, name, state)
		if errors.Is(err, queue.ErrNotFound) {
			err = fmt.Errorf("queue peek: no job of %q is %s", name, which)
		}
		return job, stats, err
	}
	id, err := strconv.ParseUint(which, 10, 64)
	if err != nil {
		return job, stats, usageError{fmt.Errorf("queue peek: %q is neither ready, delayed, buried nor a number", which), "perigee queue peek"}
	}
	job, stats, err = q.PeekJob(ctx, name, id)
	if errors.Is(err, queue.ErrNotFound) {
		err = fmt.Errorf("queue peek: there is no job %s", which)
	}
	return job, stats, err
}

func (p *program) queueKick() *cli.Command {
	return &cli.Command{
		Name: "kick", Usage: "make buried jobs ready again", ArgsUsage: "[COUNT]",
		Description: "Kicks one job, or up to COUNT. If no job is buried, it makes delayed jobs ready. A job that was buried after its last " +
			"attempt gets one more attempt; a job that was buried earlier keeps its remaining attempts.\n\n" +
			examples("perigee queue kick 10", "perigee queue kick --job 4711"),
		Flags: append(p.queueFlags("kick"), &cli.StringFlag{Name: "job", Usage: "kick only the job with this `NUMBER`"}),
		Action: p.withQueue(func(ctx context.Context, c *cli.Command, q jobqueue.Client, name string) error {
			if c.IsSet("job") {
				id, err := wholeNumber(c, "job", math.MaxUint64)
				if err != nil {
					return err
				}
				if count := c.Args().First(); count != "" {
					return wrongUsage(c, fmt.Errorf("use either --job %d or the count %q", id, count))
				}
				switch err := q.KickJob(ctx, name, id); {
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
					return wrongUsage(c, fmt.Errorf("%q is not a number of jobs", given))
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
		}),
	}
}

func (p *program) queueDelete() *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "delete a job that no worker has reserved", ArgsUsage: "NUMBER", Flags: p.queueFlags("delete"),
		Action: p.withQueue(func(ctx context.Context, c *cli.Command, q jobqueue.Client, name string) error {
			id, err := strconv.ParseUint(c.Args().First(), 10, 64)
			if err != nil {
				return wrongUsage(c, errors.New("the number of the job is missing"))
			}
			switch err := q.Delete(ctx, name, id); {
			case errors.Is(err, queue.ErrNotFound):
				return fmt.Errorf("queue delete: there is no job %d, or a worker has reserved it", id)
			case err != nil:
				return err
			}
			return p.print(fmt.Sprintf("deleted job %d\n", id))
		}),
	}
}
