package script

import (
	"path/filepath"

	"perigee/engine/config"
	"perigee/engine/process"
	"perigee/engine/script/value"
)

// OptionsFor returns the options that follow from the settings of the server. The caller adds the services that scripts use.
func OptionsFor(c config.Config, l Loop) Options {
	return Options{
		Loop:           l,
		Dir:            c.Lua.Path,
		DirName:        filepath.Base(c.Lua.Path),
		Manager:        c.Lua.Manager,
		ManagerSetting: c.Origin("lua.manager"),
		App:            c.App,
		TurnTimeout:    c.Lua.TurnTimeout.Std(),
		BootTimeout:    c.Lua.BootTimeout.Std(),
		BootWait:       c.Lua.BootTimeout.Std(),
		AwaitTimeout:   c.Lua.AwaitTimeout.Std(),
		Memory:         uint64(c.Lua.Memory),
		JSON: value.Limits{
			Depth: c.Limits.JSONDepth, Keys: c.Limits.JSONKeys, BigText: c.Lua.BigIntegers == config.BigIntegersText,
		},
	}
}

// ProcessPrograms returns the programs that the settings allow scripts to start.
func ProcessPrograms(c config.Config) map[string]process.Program {
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
