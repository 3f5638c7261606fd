package jobqueue

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"perigee/engine/config"
)

// errOwnMemory is returned by Open for a queue that only the server's process can reach.
var errOwnMemory = errors.New(`queue.driver is "memory": the queue is inside the running server, ` +
	`and only perigee push and perigee queue failed can reach it`)

// errNoQueue is returned if the settings name no queue.
var errNoQueue = errors.New(`queue.driver is "off": there is no queue; set it to "beanstalkd", "redis", "database" or "memory"`)

// Open returns a client for the queue that the settings name. It connects when it is first used.
func Open(c config.Queue) (Client, error) {
	if c.Driver == config.DriverMemory {
		return nil, errOwnMemory
	}
	_, client := connect(c, slog.New(slog.DiscardHandler))
	if client == nil {
		return nil, errNoQueue
	}
	return client, nil
}

// Body returns the body of a job that runs a command. arguments is JSON text, or nil if there are none.
func Body(command string, arguments []byte) ([]byte, error) {
	text, err := json.Marshal(struct {
		Job  string          `json:"job"`
		Data json.RawMessage `json:"data,omitempty"`
	}{command, arguments})
	if err != nil {
		return nil, fmt.Errorf("jobqueue: job %q: its arguments are not JSON: %w", command, err)
	}
	return text, nil
}
