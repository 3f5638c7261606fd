// Package config owns the settings of the server: what they are called, what they are by default, and how server.toml,
// the environment and the command line become one checked Config. It is the only one that reads TOML. It does not know
// what a setting is for: whoever uses it decides that, and checks what needs more than the text (origins, addresses of
// proxies, files, limits of the system).
package config

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Config is every setting of the server, checked. Load makes it; after that nothing changes it.
type Config struct {
	Server Server `toml:"server"`
	Limits Limits `toml:"limits"`
	Lua    Lua    `toml:"lua"`
	HTTP   HTTP   `toml:"http"`
	Roster Roster `toml:"roster"`
	Queue  Queue  `toml:"queue"`
	State  State  `toml:"state"`
	Stop   Stop   `toml:"stop"`
	// Processes are the tables [processes.NAME]: the programs that scripts may start, by name.
	Processes map[string]Process `toml:"processes"`
	// App is the table [app], free for the scripts: string, int64, float64, bool, time.Time, []any and map[string]any.
	App map[string]any `toml:"app"`

	// Path is the file that was read; "" where there was none.
	Path string `toml:"-"`
	// Blank tells that nothing is set in that file: it is empty, or has comments only.
	Blank bool `toml:"-"`
	// Warnings name environment variables that look like a misspelt setting, one sentence each.
	Warnings []string `toml:"-"`

	places map[string]place // by setting name: where its value comes from; absent: default
}

// Source says where Load looks for settings. Later ones win: file, environment, flags.
type Source struct {
	Path     string            // of the file; "" reads none
	Explicit bool              // somebody asked for this Path: it is an error when the file does not exist
	Env      []string          // NAME=value, as from os.Environ; an empty value counts as not set
	Flags    map[string]string // by the setting's name: "server.port" -> "8081"; an empty value counts
}

// Load reads the settings. Its error names everything that is wrong, one line each: the place (file and line, variable or
// flag), the setting, and what would be right.
//
// Lua.Path, Server.Public, Server.KeyFile, Server.Control, Server.PIDFile, State.File and the Cwd of processes are relative to
// the folder of the file, unless the environment or a flag set them: then to the working directory. At most one of Server.Key
// and Server.KeyFile is set: a key replaces the key file of a source before it, and the other way round.
func Load(src Source) (Config, error) {
	l := newLoader()
	l.readFile(src.Path, src.Explicit)
	l.readEnv(src.Env)
	l.readFlags(src.Flags)
	l.checkTogether()
	if err := l.problems.err(); err != nil {
		return Config{}, err
	}
	l.resolvePaths()
	l.config.places = l.places
	return l.config, nil
}

// The sources in their order: later ones win.
const (
	fromDefault = iota
	fromFile
	fromEnv
	fromFlag
)

// place is where a value stands.
type place struct {
	layer int    // fromDefault to fromFlag
	line  int    // in the file, from 1; 0 elsewhere
	label string // how errors begin: "server.toml:12: server.port", "SERVER_PORT" or "--port"
}

// loader is a Config in the making.
type loader struct {
	config   Config
	settings []setting
	places   map[string]place // by setting name: where its value comes from; absent: default
	failed   map[string]bool  // by setting name: some source has a wrong value
	problems problems
}

func newLoader() *loader {
	return &loader{config: Default(), settings: settings(), places: map[string]place{}, failed: map[string]bool{}}
}

// set takes over a value that parse made of what stood at a place, or notes the problem.
func (l *loader) set(s setting, at place, value any, err error) {
	if err == nil {
		err = s.check(value)
	}
	if err != nil {
		l.failed[s.Name] = true
		l.problems.add(at, err)
		return
	}
	s.store(&l.config, value)
	l.places[s.Name] = at
}

func (l *loader) readEnv(env []string) {
	values := map[string]string{}
	for _, line := range env {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, "SERVER_") && value != "" {
			values[name] = value
		}
	}
	for _, s := range l.settings {
		text, ok := values[s.Env]
		delete(values, s.Env)
		if !ok || s.isMap() {
			continue
		}
		value, err := s.parseText(text)
		l.set(s, place{layer: fromEnv, label: s.Env}, value, err)
	}
	for name := range values {
		if meant := l.misspeltEnv(name); meant != "" {
			l.config.Warnings = append(l.config.Warnings, name+" is not a setting; did you mean "+meant+"?")
		}
	}
	slices.Sort(l.config.Warnings)
}

// misspeltEnv returns the variable that somebody meant who wrote name, or "".
func (l *loader) misspeltEnv(name string) string {
	var known []string
	for _, s := range l.settings {
		if s.isMap() {
			continue
		}
		// Some settings have names that the rule would not give them.
		if name == s.regularEnv() {
			return s.Env
		}
		known = append(known, s.Env)
	}
	return Nearest(name, known)
}

func (l *loader) readFlags(flags map[string]string) {
	known := map[string]bool{}
	for _, s := range l.settings {
		text, ok := flags[s.Name]
		if !ok || s.isMap() {
			continue
		}
		known[s.Name] = true
		value, err := s.parseText(text)
		l.set(s, place{layer: fromFlag, label: "--" + s.Flag}, value, err)
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if !known[name] {
			l.problems.add(place{layer: fromFlag, label: name}, errNotSetting)
		}
	}
}

// resolvePaths makes the paths of the file relative to its folder.
func (l *loader) resolvePaths() {
	if l.config.Path == "" {
		return
	}
	for name, path := range map[string]*string{
		"lua.path":        &l.config.Lua.Path,
		"server.public":   &l.config.Server.Public,
		"server.key_file": &l.config.Server.KeyFile,
		"server.control":  &l.config.Server.Control,
		"server.pid_file": &l.config.Server.PIDFile,
		"state.file":      &l.config.State.File,
	} {
		if name == "server.control" && *path == ControlOff {
			continue
		}
		if *path != "" && !filepath.IsAbs(*path) && l.places[name].layer <= fromFile {
			*path = filepath.Join(filepath.Dir(l.config.Path), *path)
		}
	}
	for name, p := range l.config.Processes {
		if p.Cwd != "" && !filepath.IsAbs(p.Cwd) {
			p.Cwd = filepath.Join(filepath.Dir(l.config.Path), p.Cwd)
			l.config.Processes[name] = p
		}
	}
}
