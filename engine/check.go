package engine

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"perigee/engine/config"
	"perigee/engine/jobqueue"
	"perigee/engine/manager"
	"perigee/engine/script/loader"
)

// Check loads settings and scripts without serving, and returns the registrations of the scripts, with warnings.
func Check(ctx context.Context, o Options) (Status, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s, err := assemble(o, stop)
	if err != nil {
		return Status{}, err
	}
	defer s.close()
	warnings := &warnings{Handler: s.log.Handler()}
	log := slog.New(warnings)
	r, err := s.rehearse(ctx, rehearsal{
		config: s.config, store: s.saver.Store, slice: s.config.Lua.BootTimeout.Std(), log: log, lint: log,
	})
	if err != nil {
		return Status{}, err
	}
	status := s.status(r.routes, nil)
	notes, doubts := jobqueue.Examine(ctx, s.config.Queue)
	status.Notes = append(platformNotes(runtime.GOOS, s.config), notes...)
	status.Warnings = slices.Concat(s.config.Warnings, doubts, s.missingPrograms(), s.missingCommands(r.routes), s.unusedScripts(r.sources), warnings.sentences)
	return status, nil
}

// platformNotes returns a sentence for everything that an operating system cannot do and that the settings ask for.
func platformNotes(system string, c config.Config) (notes []string) {
	windows := system == "windows"
	if len(c.Processes) > 0 && (windows || system == "darwin") {
		notes = append(notes, "programs of [processes] go on if the server is killed: this operating system does not end them with it")
	}
	if len(c.Processes) > 0 && windows {
		notes = append(notes, "programs of [processes] are ended without SIGTERM, and what they have started goes on: Windows has neither signals nor process groups")
	}
	if windows && c.Server.Control != "" && c.Server.Control != config.ControlOff {
		notes = append(notes, "the permissions of the directory of server.control decide who can use the control socket: on Windows the server does not check them")
	}
	if windows && c.Server.KeyFile != "" {
		notes = append(notes, "the permissions of server.key_file decide who can read the key: on Windows the server does not check them")
	}
	return notes
}

// missingPrograms returns a sentence for each program in the settings that cannot be run.
func (s *Server) missingPrograms() (sentences []string) {
	for _, name := range slices.Sorted(maps.Keys(s.config.Processes)) {
		if _, err := exec.LookPath(s.config.Processes[name].Command[0]); err != nil {
			sentences = append(sentences, fmt.Sprintf("processes.%s cannot be started: %v", name, err))
		}
	}
	return sentences
}

// missingCommands returns a sentence for each command that a key allows and the scripts do not have.
func (s *Server) missingCommands(routes manager.Routes) (sentences []string) {
	var known []string
	for _, c := range routes.Commands {
		known = append(known, c.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.config.Keys)) {
		for _, command := range s.config.Keys[name].Commands {
			if slices.Contains(known, command) {
				continue
			}
			sentence := fmt.Sprintf("keys.%s.commands: the scripts have no command %q", name, command)
			if similar := config.Nearest(command, known); similar != "" {
				sentence += fmt.Sprintf("; did you mean %q?", similar)
			}
			sentences = append(sentences, sentence)
		}
	}
	return sentences
}

// unusedScripts returns a sentence if the scripts directory has scripts but none of them was read: lua.manager is probably wrong.
func (s *Server) unusedScripts(sources *loader.Sources) []string {
	if sources.AnyOwn() {
		return nil
	}
	var others []string
	for _, pattern := range []string{"*.lua", filepath.Join("*", "init.lua")} {
		found, err := filepath.Glob(filepath.Join(s.config.Lua.Path, pattern))
		if err == nil { // it fails if the name of the directory is a pattern itself
			for _, file := range found {
				others = append(others, filepath.ToSlash(file))
			}
		}
	}
	if len(others) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("lua.manager %q is built in, so none of your scripts was read: %s", s.config.Lua.Manager, strings.Join(others, ", "))}
}

// warnings is a log handler that collects warnings about scripts as sentences. It passes on what scripts log themselves.
type warnings struct {
	slog.Handler

	mu        sync.Mutex
	sentences []string // guarded by mu
}

// Handle collects a warning.
func (w *warnings) Handle(ctx context.Context, r slog.Record) error {
	text, own := strings.CutPrefix(r.Message, "script: ")
	if r.Level != slog.LevelWarn || !own {
		return w.Handler.Handle(ctx, r)
	}
	var fields []string
	values := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields, a.Key+" "+a.Value.String())
		values[a.Key] = a.Value.String()
		return true
	})
	switch similar := values["did_you_mean"]; {
	case values["place"] != "" && values["problem"] != "":
		text = values["place"] + ": " + values["problem"]
		if similar != "" {
			text += "; did you mean " + similar + "?"
		}
	case len(fields) > 0:
		text += " (" + strings.Join(fields, ", ") + ")"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sentences = append(w.sentences, text)
	return nil
}

// Enabled reports true for warnings, whatever the level of the log.
func (w *warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level == slog.LevelWarn || w.Handler.Enabled(ctx, level)
}
