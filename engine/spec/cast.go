package spec

import (
	"errors"
	"fmt"
	"log/slog"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/config"
	"perigee/engine/process"
	"perigee/engine/script"
	"perigee/engine/script/child"
)

// cast plays the programs that the scripts start. The settings decide which these may be, and the spec what they do.
type cast struct {
	settings *process.Supervisor // which starts nothing
	journal  *journal
	parts    map[string]part // by the name of the program; written while the loop is idle

	playing []*process.Process // whose end has not come; written by the loop, and while it is idle
}

// part is what a spec has a program do.
type part struct {
	process.Play
	failure error // why it cannot be started
}

var _ child.Starter = (*cast)(nil)

func newCast(c config.Config, j *journal) (*cast, error) {
	settings, err := process.New(process.Options{Programs: script.Programs(c), Log: slog.New(j)})
	return &cast{settings: settings, journal: j, parts: map[string]part{}}, err
}

// Allowed implements child.Starter.
func (c *cast) Allowed(r process.Request) error { return c.settings.Allowed(r) }

// Start implements child.Starter. It is called on the loop.
func (c *cast) Start(r process.Request) (*process.Process, error) {
	part, known := c.parts[r.Name]
	switch {
	case !known:
		c.journal.add(fmt.Sprintf("no spec.process plays the program %q, which the scripts start", r.Name))
		return nil, errors.New("a spec starts no programs")
	case part.failure != nil:
		return nil, part.failure
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

// process (name, play) plays a program that the scripts start.
func (f *file) process(L *lua.LState) int {
	s, name, given := f.present(L), L.CheckString(1), L.OptTable(2, L.NewTable())
	var p part
	for key, v := range members(given) {
		if err := p.set(key.String(), v); err != nil {
			L.ArgError(2, err.Error())
		}
	}
	if _, known := f.options.Config.Processes[name]; !known {
		raise(L, s.cast.Allowed(process.Request{Name: name}))
	}
	s.cast.parts[name] = p
	return 0
}

// set takes one field of what a program does.
func (p *part) set(field string, v lua.LValue) error {
	switch v := v.(type) {
	case lua.LNumber:
		if code := int(v); field == "exit_code" && code >= 0 && code <= 255 && lua.LNumber(code) == v {
			p.Code = code
			return nil
		}
	case lua.LBool:
		if field == "running" {
			p.Stays = bool(v)
			return nil
		}
	case lua.LString:
		if field == "reason" {
			p.failure = errors.New(string(v))
			return nil
		}
	case *lua.LTable:
		if field == "output" || field == "errors" {
			lines := map[string]*[]string{"output": &p.Output, "errors": &p.Errors}[field]
			for _, line := range members(v) {
				*lines = append(*lines, line.String())
			}
			return nil
		}
	}
	return fmt.Errorf("a program has output and errors, lists of lines; exit_code, 0 to 255; running = true where it goes on until it is terminated; or instead reason, a string, why it cannot be started; not %s, a %s",
		field, v.Type())
}
