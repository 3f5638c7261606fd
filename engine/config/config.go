// Package config owns the settings of the server: their names and defaults, and how server.toml, environment variables and
// flags are merged into one checked Config. It is the only package that reads TOML. It must not know what a setting is used
// for: the packages that use it check what cannot be seen from the text alone (origins, proxy addresses, files, system limits).
package config

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Config holds all settings of the server, checked. Load creates it; after that it must not be changed.
type Config struct {
	Server  Server  `toml:"server"`
	Limits  Limits  `toml:"limits"`
	Lua     Lua     `toml:"lua"`
	HTTP    HTTP    `toml:"http"`
	Roster  Roster  `toml:"roster"`
	Resume  Resume  `toml:"resume"`
	Queue   Queue   `toml:"queue"`
	State   State   `toml:"state"`
	Stop    Stop    `toml:"stop"`
	Console Console `toml:"console"`
	// Processes are the tables [processes.NAME]: programs that scripts may start, by name.
	Processes map[string]Process `toml:"processes"`
	// Keys are the tables [keys.NAME]: what programs may do, by the name of their key.
	Keys map[string]ProgramKey `toml:"keys"`
	// App is the table [app] for the application: string, int64, float64, bool, time.Time, []any and map[string]any, and a Secret
	// for each table { env = "NAME" } or { file = "path" }.
	App map[string]any `toml:"app"`

	// Path is the file that was read, or "" if there was none.
	Path string `toml:"-"`
	// Blank reports that the file sets nothing: it is empty or has only comments.
	Blank bool `toml:"-"`
	// Warnings name environment variables that look like a misspelt setting, and settings that are probably not meant, one sentence
	// each.
	Warnings []string `toml:"-"`

	origins     map[string]origin // by setting name; absent for a default
	credentials string            // CREDENTIALS_DIRECTORY, in which systemd puts secrets; "" if there is none
}

// Source names the sources of settings. Later ones take precedence: file, environment file, environment, flags.
type Source struct {
	Path     string            // of the file. Optional.
	Explicit bool              // the user named Path: it is an error if the file does not exist
	EnvFile  string            // a file of variables, of which those with SERVER_ before their name count. Optional.
	Env      []string          // NAME=value, as from os.Environ; an empty value counts as unset
	Flags    map[string]string // by the setting's name: "server.port" -> "8081"; an empty value counts
}

// Load reads the settings. Its error has a line for each mistake, with the origin (file and line, variable or flag), the
// setting, and a remedy.
//
// Lua.Path, Server.Public, Server.KeyFile, Server.Control, Server.PIDFile, State.File, the file of Queue.DSN, the KeyFile of keys and the Cwd of processes are relative to
// the directory of the file, or to the working directory if a variable or a flag sets them. At most one of Server.Key and
// Server.KeyFile is set: a key replaces the key file of an earlier source, and vice versa.
func Load(src Source) (Config, error) {
	l := newLoader()
	l.readFile(src.Path, src.Explicit)
	l.readEnvFile(src.EnvFile)
	l.readEnv(src.Env)
	l.readFlags(src.Flags)
	l.resolveSecrets()
	l.resolveApp()
	l.checkConsistency()
	if err := l.errs.join(); err != nil {
		return Config{}, err
	}
	l.resolvePaths()
	l.config.origins, l.config.credentials = l.origins, l.variables["CREDENTIALS_DIRECTORY"]
	return l.config, nil
}

// The sources in their order: later ones take precedence.
const (
	fromDefault = iota
	fromFile
	fromEnvFile
	fromEnv
	fromFlag
)

// origin is where a value was set.
type origin struct {
	source int    // fromDefault to fromFlag
	line   int    // in the file, from 1; 0 elsewhere
	label  string // prefix of errors: "server.toml:12: server.port", ".env: SERVER_PORT", "SERVER_PORT" or "--port"
}

// loader builds a Config.
type loader struct {
	config   Config
	settings []setting
	origins  map[string]origin // by setting name; absent for a default
	failed   map[string]bool   // by setting name: some source has a wrong value
	errs     loadErrors

	file      *file                  // nil if there is none
	named     map[string]namedSecret // by setting name: secrets of the file that are elsewhere
	variables map[string]string      // of the environment file, then of the environment; not the empty ones
}

func newLoader() *loader {
	return &loader{config: Default(), settings: settings(), origins: map[string]origin{}, failed: map[string]bool{}, variables: map[string]string{}, named: map[string]namedSecret{}}
}

// set stores a parsed value, or adds an error: that of parsing, or of the setting's check.
func (l *loader) set(s setting, at origin, value any, err error) {
	if err == nil {
		err = s.check(value)
	}
	if err != nil {
		l.failed[s.Name] = true
		l.errs.add(at, err)
		return
	}
	s.store(&l.config, value)
	l.origins[s.Name] = at
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
		l.set(s, origin{source: fromFlag, label: "--" + s.Flag}, value, err)
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if !known[name] {
			l.errs.add(origin{source: fromFlag, label: name}, errNotSetting)
		}
	}
}

// resolvePaths resolves relative paths in the file against its directory.
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
		if *path != "" && !filepath.IsAbs(*path) && l.origins[name].source <= fromFile {
			*path = filepath.Join(filepath.Dir(l.config.Path), *path)
		}
	}
	if path, ok := strings.CutPrefix(string(l.config.Queue.DSN), sqlite); ok && !filepath.IsAbs(path) && l.origins["queue.dsn"].source <= fromFile {
		l.config.Queue.DSN = Secret(sqlite + filepath.Join(filepath.Dir(l.config.Path), path))
	}
	for name, k := range l.config.Keys {
		if !filepath.IsAbs(k.KeyFile) {
			k.KeyFile = filepath.Join(filepath.Dir(l.config.Path), k.KeyFile)
			l.config.Keys[name] = k
		}
	}
	for name, p := range l.config.Processes {
		if p.Cwd != "" && !filepath.IsAbs(p.Cwd) {
			p.Cwd = filepath.Join(filepath.Dir(l.config.Path), p.Cwd)
			l.config.Processes[name] = p
		}
	}
}
