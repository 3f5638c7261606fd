package manager

import (
	"errors"
	"fmt"
	"strings"

	"perigee/engine/queue"
	"perigee/engine/queue/body"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// readJob has the manager's job hook read a job in an unknown format.
func (g *generation) readJob(j queue.Job) (command string, arguments wire.Value, err error) {
	var read script.ParsedJob
	err = runCounted(g.metrics.onJob, func() (err error) {
		read, err = g.application.ParseJob(j.Body, j.Queue)
		return err
	})
	switch {
	case err != nil:
		return "", nil, g.failed(commandRequest{job: &j}, err)
	case read.Reason != "":
		return "", nil, queue.Unreadable(fmt.Errorf("the manager's job hook: %s", read.Reason))
	case read.Command == "":
		return "", nil, fmt.Errorf("%w%s; the manager's hook job can read other formats", j.Unknown, g.commandHint(j.Unknown))
	}
	j.SetCommand(read.Command)
	return read.Command, read.Arguments, nil
}

// commandHint says which command a job without a name seems to mean, or returns "".
func (g *generation) commandHint(err error) string {
	unknown, ok := errors.AsType[*body.UnknownFormatError](err)
	if !ok {
		return ""
	}
	nearest := ""
	for _, text := range unknown.Texts {
		name := text[strings.LastIndexAny(text, `\.:/`)+1:]
		if _, err := g.registry.Command(name); err == nil {
			nearest = name
			break
		}
		if similar := g.registry.Similar(name); nearest == "" {
			nearest = similar
		}
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(`; for the command %[1]q, write {"job": %[1]q, "data": {...}}`, nearest)
}
