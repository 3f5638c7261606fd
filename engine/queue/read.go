package queue

import (
	"errors"
	"time"

	"perigee/engine/queue/body"
)

// Read holds what the worker reads in the body of a job.
type Read struct {
	Job // Body, Command, Arguments and Unknown

	timeout  time.Duration // 0 means that of Options
	maxTries int           // 0 means Options.MaxAttempts
}

// ReadBody reads the body of a job; commands maps names of jobs, or of their classes, to commands. The error wraps ErrUnreadable.
func ReadBody(text []byte, commands map[string]string) (Read, error) {
	b, err := body.Parse(text)
	if err != nil {
		err = Unreadable(err)
		if _, unknown := errors.AsType[*body.UnknownFormatError](err); unknown {
			return Read{Job: Job{Body: text, Unknown: err}}, nil
		}
		return Read{}, err
	}
	return Read{Job{Command: command(b, commands), Arguments: b.Arguments}, b.Timeout, b.MaxTries}, nil
}

// command returns the command of a job, by its class before its name.
func command(b body.Body, commands map[string]string) string {
	if command, ok := commands[b.Class]; ok && b.Class != "" {
		return command
	}
	if command, ok := commands[b.Name]; ok {
		return command
	}
	return b.Name
}
