package console

import (
	"encoding/json"
	"net/http"
)

// Reload is the result of a reload, or what one would change: the answer to GET reload and POST reload, and the output of reload --json.
type Reload struct {
	Generation   int       `json:"generation"`
	Took         float64   `json:"took"`  // seconds
	Pause        float64   `json:"pause"` // seconds during which clients waited
	Changes      []Change  `json:"changes"`
	Settings     []Setting `json:"settings"`
	NeedsRestart []Setting `json:"needs_restart"` // settings that have changed in the file, but not in the server
	Warnings     []string  `json:"warnings"`
}

// Setting is a changed setting.
type Setting struct {
	Name   string          `json:"name"`
	Before json.RawMessage `json:"before,omitempty"` // as in server.toml; both are missing if they may be secret
	After  json.RawMessage `json:"after,omitempty"`
}

// Change is a changed registration.
type Change struct {
	Kind   string `json:"kind"` // message, command, listener ...
	Name   string `json:"name"`
	What   string `json:"what"` // added, removed or changed
	Detail string `json:"detail,omitempty"`
	Weaker bool   `json:"weaker,omitempty"` // more clients may send it than before
}

// compare answers with what a reload would change, or with why it would fail.
func (c *Console) compare(r *http.Request) (any, error) {
	changes, err := c.options.Server.CompareScripts(r.Context())
	return changes, reloadFailed(err)
}

// reload reloads scripts and settings. Requests during a reload share the next one.
func (c *Console) reload(r *http.Request) (any, error) {
	c.audit(r.Context(), "reload")
	changes, err := c.options.Server.ReloadScripts(r.Context())
	return changes, reloadFailed(err)
}
