// Package watch tells when files that somebody edits have changed and come to rest. Editors save in steps: they write a new
// file and rename it over the old one, move the old one away first, try whether the folder takes a file at all. What counts is
// what is there once all is quiet. The package knows nothing of what the files are for.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Options say what is watched.
type Options struct {
	// Folder is watched with all that is in it; it may come later. While it is gone, none of its files counts as gone:
	// somebody is putting it there anew.
	Folder string
	// Wanted tells by its name whether a file of Folder counts. Hidden files and folders never do.
	Wanted func(name string) bool
	// File is one more that counts, wherever it is; "" is none.
	File string
	Log  *slog.Logger
}

const (
	// quiet is how long nothing may happen before files have come to rest: the steps of a save are some milliseconds apart.
	quiet = 100 * time.Millisecond
	// longest is how long that is waited for, where something goes on and on.
	longest = 2 * time.Second
)

// Watcher watches files. Run is called by one goroutine; Close by any, and it ends Run.
type Watcher struct {
	options Options
	events  *fsnotify.Watcher
	seen    map[string]fs.FileInfo // what was there at the last look, by path
}

// New begins to watch: what changes from now on, Run will tell.
func New(o Options) (*Watcher, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	w := &Watcher{options: o, events: events, seen: map[string]fs.FileInfo{}}
	w.look()
	return w, nil
}

// Close ends the watching.
func (w *Watcher) Close() error { return w.events.Close() }

// Run calls changed with the paths that have changed, sorted, each time they have come to rest, until ctx ends or Close.
// What happens during the call is told by the next one.
func (w *Watcher) Run(ctx context.Context, changed func(paths []string)) {
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-w.events.Events:
			if !open {
				return
			}
		case err, open := <-w.events.Errors:
			if !open {
				return
			}
			w.warn(err) // events were lost: look what is there
		}
		settle(ctx, w.events.Events)
		if paths := w.look(); len(paths) > 0 && ctx.Err() == nil {
			changed(paths)
		}
	}
}

// settle returns when no event has come for a while.
func settle[T any](ctx context.Context, events <-chan T) {
	end := time.NewTimer(longest)
	defer end.Stop()
	rest := time.NewTimer(quiet)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-rest.C:
			return
		case _, open := <-events:
			if !open {
				return
			}
			rest.Reset(quiet)
		}
	}
}

// look compares what is there with what was, and returns what differs.
func (w *Watcher) look() []string {
	found := map[string]fs.FileInfo{}
	if file := w.options.File; file != "" {
		w.follow(filepath.Dir(file)) // also for what is renamed over it
		if info, err := os.Stat(file); err == nil {
			found[file] = info
		}
	}
	if !w.gather(w.options.Folder, found) {
		w.followParent(w.options.Folder)
		for path, info := range w.seen {
			if path != w.options.File {
				found[path] = info
			}
		}
	}
	var changed []string
	for path, info := range found {
		if before, known := w.seen[path]; !known || !same(before, info) {
			changed = append(changed, path)
		}
	}
	for path := range w.seen {
		if _, still := found[path]; !still {
			changed = append(changed, path)
		}
	}
	w.seen = found
	slices.Sort(changed)
	return changed
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// gather follows a folder and those in it, and finds the files that count. It tells whether the folder is there.
func (w *Watcher) gather(folder string, found map[string]fs.FileInfo) bool {
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return false
	}
	w.follow(folder) // before it is read, so that nothing comes in between
	entries, err := os.ReadDir(folder)
	if err != nil {
		return false
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), "."):
		case entry.IsDir():
			w.gather(path, found) // one that is gone by now has no files
		case w.options.Wanted(entry.Name()):
			if info, err := os.Stat(path); err == nil {
				found[path] = info
			}
		}
	}
	if folder == w.options.Folder {
		w.followParent(folder) // which hears that the folder itself is moved away and put there anew
	}
	return true
}

// follow has the system tell what happens in a folder; to do so again is harmless.
func (w *Watcher) follow(folder string) {
	if err := w.events.Add(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.warn(err)
	}
}

// followParent follows the nearest folder above that is there.
func (w *Watcher) followParent(folder string) {
	for parent := filepath.Dir(folder); ; parent = filepath.Dir(parent) {
		if _, err := os.Stat(parent); err == nil || parent == filepath.Dir(parent) {
			w.follow(parent)
			return
		}
	}
}

func (w *Watcher) warn(err error) {
	w.options.Log.Warn("watch: some changes may go unnoticed", "error", err)
}
