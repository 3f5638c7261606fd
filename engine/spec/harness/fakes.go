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

// fakePrograms are the programs that the scripts can start. The settings determine which are allowed, and the spec determines
// their behaviour.
type fakePrograms struct {
	settings *process.Supervisor // checks requests, and starts nothing
	log      *Log
	fakes    map[string]Fake // by name; written while the loop is idle

	running []*process.Process // written by the loop, and while it is idle
	err     error              // of OnInput; used while the loop is idle
}

// Fake describes the behaviour of a program in a spec.
type Fake struct {
	process.Fake
	Failure error // why it cannot be started
	// OnInput takes the place of that of process.Fake. It is called while the loop is idle. Its error is returned by the method of the server
	// that runs then. Optional.
	OnInput func(text string) (process.Reaction, error)
}

// MissingFake is the error of starting a program that the spec does not fake.
type MissingFake struct{ Program string }

// Error names the program.
func (u MissingFake) Error() string {
	return fmt.Sprintf("there is no fake for the program %q", u.Program)
}

var _ bind.Starter = (*fakePrograms)(nil)

func newFakePrograms(c config.Config, l *Log) (*fakePrograms, error) {
	settings, err := process.New(process.Options{Programs: script.ProcessPrograms(c), Log: slog.New(l)})
	return &fakePrograms{settings: settings, log: l, fakes: map[string]Fake{}}, err
}

// Check implements bind.Starter.
func (c *fakePrograms) Check(r process.Request) error { return c.settings.Check(r) }

// Start implements bind.Starter. It is called on the loop.
func (c *fakePrograms) Start(r process.Request) (*process.Process, error) {
	fake, known := c.fakes[r.Name]
	switch {
	case !known:
		c.log.addError(MissingFake{r.Name})
		return nil, errors.New("programs are not started in a spec")
	case fake.Failure != nil:
		return nil, fake.Failure
	}
	if fake.OnInput != nil {
		fake.Fake.OnInput = func(text string) process.Reaction {
			does, err := fake.OnInput(text)
			c.err = errors.Join(c.err, err)
			return does
		}
	}
	p := process.NewFake(r, fake.Fake)
	c.running = append(c.running, p)
	return p, nil
}

// step runs the next step of all running programs, while the loop is idle. It reports whether there was any.
func (c *fakePrograms) step() bool {
	busy := false
	for _, p := range c.running {
		busy = p.Advance() || busy
	}
	return busy
}

// takeError returns the errors of OnInput since its last call.
func (c *fakePrograms) takeError() error {
	err := c.err
	c.err = nil
	return err
}

// AddFake sets the behaviour of a program. It is an error if the settings have no program with this name.
func (s *Server) AddFake(name string, f Fake) error {
	if err := s.programs.Check(process.Request{Name: name}); err != nil {
		return err
	}
	s.programs.fakes[name] = f
	return nil
}
