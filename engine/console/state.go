package console

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"perigee/engine/script/store"
)

// maxState is how many bytes of JSON GET state/NAME shows.
const maxState = 256 << 10

// State is a value in server.state.
type State struct {
	Value json.RawMessage `json:"value"` // null if it cannot be shown
	// Problem says why not: it has more than 256 KiB, or is no plain data. Then Keys are the first 500 of Total keys in it, if it is a
	// table (a Total of 10,000 is that or more); a longer path shows what is there.
	Problem string      `json:"problem,omitempty"`
	Keys    []store.Key `json:"keys,omitempty"`
	Total   int         `json:"total,omitempty"`
}

func (c *Console) states(r *http.Request) (any, error) {
	sizes, err := c.options.Server.States(r.Context())
	return listOf(sizes), err
}

// state answers with a table of server.state, or with what is at a path in it.
func (c *Console) state(r *http.Request) (any, error) {
	name, redactor := r.PathValue("name"), c.redactor()
	var path []string
	if text := r.FormValue("path"); text != "" {
		path = strings.Split(text, ".")
	}
	v, found, err := c.options.Server.State(r.Context(), name, path, maxState)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, notFound("server.state has no %s", strings.Join(append([]string{name}, path...), "."))
	case redactor.Hides(name) || slices.ContainsFunc(path, redactor.Hides):
		return State{Value: json.RawMessage(`"[redacted]"`)}, nil
	}
	shown := State{Problem: redactor.Text(v.Problem), Keys: v.Keys, Total: v.Total}
	if v.JSON != nil {
		shown.Value = json.RawMessage(redactor.Show(v.JSON, math.MaxInt, len(v.JSON)))
	}
	return shown, nil
}

func (c *Console) processes(*http.Request) (any, error) {
	all := c.options.Server.Processes()
	for i := range all {
		for n, argument := range all[i].Args {
			all[i].Args[n] = c.redactor().Text(argument)
		}
	}
	return listOf(all), nil
}

// Waiting are handlers of one name that wait for something.
type Waiting struct {
	Name    string  `json:"name"`
	Count   int     `json:"count"`
	Longest float64 `json:"longest"` // seconds
}

func (c *Console) waiting(r *http.Request) (any, error) {
	waits, err := c.options.Server.Waits(r.Context())
	if err != nil {
		return nil, err
	}
	all := []Waiting{}
	now := time.Now()
	for name, w := range waits {
		all = append(all, Waiting{name, w.Count, now.Sub(w.Since).Seconds()})
	}
	slices.SortFunc(all, func(a, b Waiting) int { return strings.Compare(a.Name, b.Name) })
	return listOf(all), nil
}
