// Package report owns the output of commands about a server and its queue: text for people, and JSON in a stable format for
// programs. It must not know the command line, and writes nothing itself.
package report

import (
	"fmt"
	"strings"
	"time"

	"perigee/engine/console"
)

// Build says which program a binary is.
type Build struct {
	Version  string `json:"version"`  // "1.2.3", or "devel" if it is not known
	Revision string `json:"revision"` // 12 digits, with "+dirty" if files had changed; "" if it is not known
}

// String returns the version, followed by the revision unless the version contains it.
func (b Build) String() string {
	if b.Revision == "" || strings.Contains(b.Version, b.Revision) {
		return b.Version
	}
	return b.Version + " (" + b.Revision + ")"
}

// Status is the status of a server, and the output of status --json, a stable format for programs.
type Status struct {
	PID int `json:"pid"`
	Build
	Generation  int       `json:"generation"`
	Started     time.Time `json:"started"`
	Uptime      float64   `json:"uptime"` // seconds
	Connections int       `json:"connections"`
	Away        int       `json:"away"`     // lost connections whose clients may come back
	Ready       bool      `json:"ready"`    // accepts new clients, as in /readyz
	Responds    bool      `json:"responds"` // no script blocks it
	Socket      string    `json:"socket"`   // URL

	Jobs console.Jobs `json:"jobs"`
}

// jobsText is the output about jobs for people.
func jobsText(j console.Jobs) string {
	return fmt.Sprintf("queue\t%s\njobs\t%d done, %d failed and retried, %d buried, %d in progress\n",
		j.Condition, j.Done, j.Released, j.Buried, j.Held)
}

// Reasons why a server is not healthy.
const (
	isStopping = "it is stopping"
	isBlocked  = "blocked by a script"
)

// Problem returns why the server does not serve its clients, or "" if it does.
func (r Status) Problem() string {
	switch {
	case !r.Ready:
		return isStopping
	case !r.Responds:
		return isBlocked
	default:
		return ""
	}
}

// String is the output for people.
func (r Status) String() string {
	var w strings.Builder
	fmt.Fprintf(&w, "perigee %s is running, generation %d\n\n", r.Build, r.Generation)
	fmt.Fprintf(&w, "process\t%d\n", r.PID)
	uptime := time.Duration(r.Uptime * float64(time.Second)).Truncate(time.Second)
	fmt.Fprintf(&w, "started\t%s, %s ago\n", r.Started.Format(time.DateTime), uptime)
	fmt.Fprintf(&w, "websocket\t%s\n", r.Socket)
	fmt.Fprintf(&w, "connections\t%d, %d away\n", r.Connections, r.Away)
	ready, responds := "yes", "yes"
	if !r.Ready {
		ready = "no, " + isStopping
	}
	if !r.Responds {
		responds = "no, " + isBlocked
	}
	fmt.Fprintf(&w, "ready\t%s\nresponds\t%s\n", ready, responds)
	w.WriteString(jobsText(r.Jobs))
	return w.String()
}
