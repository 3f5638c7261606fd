package harness

import (
	"errors"
	"fmt"
	"log/slog"

	"perigee/engine/config"
	"perigee/engine/process"
	"perigee/engine/script"
	"perigee/engine/script/bind"
)

// cast plays the programs that the scripts start. The settings decide which these may be, and the spec what they do.
type cast struct {
	settings *process.Supervisor // which starts nothing
	journal  *Journal
	parts    map[string]Part // by the name of the program; written while the loop is idle

	playing []*process.Process // whose end has not come; written by the loop, and while it is idle
}

// Part is what a spec has a program do.
type Part struct {
	process.Play
	Failure error // why it cannot be started
}

// Unplayed is what went wrong where the scripts start a program of which the spec has not said what it does.
type Unplayed struct{ Program string }

// Error names the program.
func (u Unplayed) Error() string { return fmt.Sprintf("nobody plays the program %q", u.Program) }

var _ bind.Starter = (*cast)(nil)

func newCast(c config.Config, j *Journal) (*cast, error) {
	settings, err := process.New(process.Options{Programs: script.Programs(c), Log: slog.New(j)})
	return &cast{settings: settings, journal: j, parts: map[string]Part{}}, err
}

// Allowed implements bind.Starter.
func (c *cast) Allowed(r process.Request) error { return c.settings.Allowed(r) }

// Start implements bind.Starter. It is called on the loop.
func (c *cast) Start(r process.Request) (*process.Process, error) {
	part, known := c.parts[r.Name]
	switch {
	case !known:
		c.journal.add(Unplayed{r.Name})
		return nil, errors.New("a spec starts no programs")
	case part.Failure != nil:
		return nil, part.Failure
	}
	p := process.Played(r, part.Play)
	c.playing = append(c.playing, p)
	return p, nil
}

// cue has the programs do what they do next, while the loop is idle. It tells whether there was anything.
func (c *cast) cue() bool {
	busy := false
	for _, p := range c.playing {
		busy = p.Cue() || busy
	}
	return busy
}

// Play has a program that the scripts start do this. The error says that the settings know none of that name.
func (s *Server) Play(name string, p Part) error {
	if err := s.cast.Allowed(process.Request{Name: name}); err != nil {
		return err
	}
	s.cast.parts[name] = p
	return nil
}
