package engine

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"perigee/engine/script/loader"
)

// Check loads configuration and scripts as a reload would, without serving, and returns what they register, and what it
// would warn of.
func Check(ctx context.Context, o Options) (Status, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s, err := assemble(o, stop)
	if err != nil {
		return Status{}, err
	}
	defer s.close()
	doubts := &doubts{Handler: s.log.Handler()}
	r, err := s.rehearse(ctx, rehearsal{
		config: s.config, store: s.keeper.Store, slice: s.config.Lua.BootTimeout.Std(), log: slog.New(doubts),
	})
	if err != nil {
		return Status{}, err
	}
	status := s.status(r.routes, nil)
	status.Warnings = slices.Concat(s.config.Warnings, s.unfound(), s.unread(r.sources), doubts.sentences)
	return status, nil
}

// unfound returns a sentence for each program that the settings name and that cannot be run.
func (s *Server) unfound() (sentences []string) {
	for _, name := range slices.Sorted(maps.Keys(s.config.Processes)) {
		if _, err := exec.LookPath(s.config.Processes[name].Command[0]); err != nil {
			sentences = append(sentences, fmt.Sprintf("processes.%s cannot be started: %v", name, err))
		}
	}
	return sentences
}

// unread returns a sentence where the folder has scripts, and not one of them was read: the manager is another then.
func (s *Server) unread(sources *loader.Sources) []string {
	if sources.AnyOwn() {
		return nil
	}
	var others []string
	for _, pattern := range []string{"*.lua", filepath.Join("*", "init.lua")} {
		found, err := filepath.Glob(filepath.Join(s.config.Lua.Path, pattern))
		if err == nil { // of a folder whose name is a pattern itself nothing is known
			others = append(others, found...)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("lua.manager, %q, comes with perigee, and nothing was read of %s", s.config.Lua.Manager, strings.Join(others, ", "))}
}

// doubts is a log whose warnings of scripts are kept as sentences instead. What scripts log themselves is passed on.
type doubts struct {
	slog.Handler

	mu        sync.Mutex
	sentences []string // guarded by mu
}

// Handle keeps a warning.
func (d *doubts) Handle(ctx context.Context, r slog.Record) error {
	text, own := strings.CutPrefix(r.Message, "script: ")
	if r.Level != slog.LevelWarn || !own {
		return d.Handler.Handle(ctx, r)
	}
	var fields []string
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields, a.Key+" "+a.Value.String())
		return true
	})
	if len(fields) > 0 {
		text += " (" + strings.Join(fields, ", ") + ")"
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sentences = append(d.sentences, text)
	return nil
}

// Enabled takes warnings, whatever the log does.
func (d *doubts) Enabled(ctx context.Context, level slog.Level) bool {
	return level == slog.LevelWarn || d.Handler.Enabled(ctx, level)
}
