package console

import (
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"perigee/engine/failures"
	"perigee/engine/logging"
)

// Failure is a failure of a script, of GET failures.
type Failure struct {
	Ref        string    `json:"ref"` // of the latest one, as in the log and in what the client was told
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Count      int       `json:"count"`
	Turn       string    `json:"turn"`
	Generation int       `json:"generation"`
	Error      string    `json:"error"`
	Place      string    `json:"place,omitempty"`
	UUID       string    `json:"uuid,omitempty"` // of the connection

	// GET failures leaves these out.
	Traceback string          `json:"traceback,omitempty"`
	Input     string          `json:"input,omitempty"`  // the beginning of the message, or of the arguments of a command or a job
	Source    []failures.Line `json:"source,omitempty"` // around the place
}

// show returns a failure without its secrets.
func (c *Console) show(f failures.Failure) Failure {
	r := c.redactor()
	shown := Failure{
		Ref: f.Ref, First: f.First, Last: f.Last, Count: f.Count, Turn: f.Turn, Generation: f.Generation, Error: r.Text(f.Error),
		Place: f.Place, UUID: f.UUID, Traceback: r.Text(f.Traceback), Input: r.Show(f.Input, logging.MaxValue, f.InputSize),
	}
	for _, line := range f.Source {
		shown.Source = append(shown.Source, failures.Line{Number: line.Number, Text: r.Text(line.Text)})
	}
	return shown
}

func (c *Console) failures(*http.Request) (any, error) {
	var all []Failure
	for _, f := range c.options.Failures.List() {
		f.Traceback, f.Input, f.InputSize, f.Source = "", nil, 0, nil
		all = append(all, c.show(f))
	}
	return listOf(all), nil
}

func (c *Console) failure(r *http.Request) (any, error) {
	f, found := c.options.Failures.Find(r.PathValue("ref"))
	if !found {
		return nil, notFound("there is no failure %q among the latest", r.PathValue("ref"))
	}
	return c.show(f), nil
}

// log answers with the latest records of the log, oldest first. Each is an object with number, time, level, msg and its fields.
func (c *Console) log(r *http.Request) (any, error) {
	level := slog.LevelDebug
	if text := r.FormValue("level"); text != "" {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			return nil, invalid("level must be debug, info, warn or error")
		}
	}
	after, err := strconv.ParseUint("0"+r.FormValue("after"), 10, 64)
	if err != nil {
		return nil, invalid("after must be the number of a record")
	}
	var all []Record
	for _, record := range c.options.Tail.Records(after, level) {
		all = append(all, Record{record.Number, json.RawMessage(c.redactor().Show(record.JSON, math.MaxInt, len(record.JSON)))})
	}
	return listOf(all), nil
}

// Record is a line of the log, of GET log.
type Record struct {
	Number uint64          `json:"number"` // from 1, for after
	Record json.RawMessage `json:"record"` // time, level, msg and the fields
}
