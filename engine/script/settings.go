package script

import (
	"path/filepath"

	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/process"
	"perigee/engine/script/value"
)

// Settings are the options that follow from the settings of the server and from the loop that the scripts live on. What
// scripts reach through the options is the caller's to add.
func Settings(c config.Config, l *loop.Loop) Options {
	return Options{
		Folder:       c.Lua.Path,
		Shown:        filepath.Base(c.Lua.Path),
		Manager:      c.Lua.Manager,
		Named:        c.Origin("lua.manager"),
		App:          c.App,
		TurnTimeout:  c.Lua.TurnTimeout.Std(),
		BootTimeout:  c.Lua.BootTimeout.Std(),
		BootWait:     c.Lua.BootTimeout.Std(),
		AwaitTimeout: c.Lua.AwaitTimeout.Std(),
		Memory:       uint64(c.Lua.Memory),
		JSON:         value.Limits{Depth: c.Limits.JSONDepth, Keys: c.Limits.JSONKeys},
		Await:        l.Await,
		Next:         l.Next,
		Room:         l.Room,
		Post:         l.Post,
		Rouse:        l.Rouse,
	}
}

// Programs returns those that the settings let scripts start.
func Programs(c config.Config) map[string]process.Program {
	programs := map[string]process.Program{}
	for name, p := range c.Processes {
		env := map[string]string{}
		for variable, value := range p.Env {
			env[variable] = string(value)
		}
		programs[name] = process.Program{Command: p.Command, Args: p.Args, Env: env, Cwd: p.Cwd}
	}
	return programs
}
