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
		App:            plain(c.App).(map[string]any), // a map stays one
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

// plain returns a copy of a value of [app] with strings in place of secrets: scripts may read them.
func plain(value any) any {
	switch value := value.(type) {
	case config.Secret:
		return string(value)
	case map[string]any:
		all := make(map[string]any, len(value))
		for name, below := range value {
			all[name] = plain(below)
		}
		return all
	case []any:
		all := make([]any, len(value))
		for i, below := range value {
			all[i] = plain(below)
		}
		return all
	default:
		return value
	}
}
