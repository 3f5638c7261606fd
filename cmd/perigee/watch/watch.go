// Package watch owns the detection of changes to files that are being edited. Editors save in several steps: they write a new
// file and rename it over the old one, move the old one away first, or create a file to test the directory. So changes are
// reported once the files have been quiet for a while. The package must not know what the files are for.
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

// Options say which files to watch.
type Options struct {
	// Dir is watched with its subdirectories. It may be created later. If it is removed, its files do not count as removed: it is
	// probably being replaced.
	Dir string
	// Wanted reports whether a file in Dir is watched, by its name. Hidden files and directories never are.
	Wanted func(name string) bool
	// File is one more watched file, anywhere. Optional.
	File string
	Log  *slog.Logger
}

const (
	// quietPeriod is how long files must not change before changes are reported: the steps of a save are milliseconds apart.
	quietPeriod = 100 * time.Millisecond
	// maxDelay is how long changes are held back if files change without pause.
	maxDelay = 2 * time.Second
)

// Watcher watches files. One goroutine may call Run. Any goroutine may call Close, which ends Run.
type Watcher struct {
	options Options
	events  *fsnotify.Watcher
	seen    map[string]fs.FileInfo // at the last scan, by path
}

// New starts watching. Run reports the changes from now on.
func New(o Options) (*Watcher, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	w := &Watcher{options: o, events: events, seen: map[string]fs.FileInfo{}}
	w.scan()
	return w, nil
}

// Close stops watching.
func (w *Watcher) Close() error { return w.events.Close() }

// Run calls changed with the sorted paths of changed files, each time they have been quiet for a while, until ctx ends or Close is
// called. Changes during the call are reported by the next one.
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
			w.warn(err) // events were lost: scan anyway
		}
		debounce(ctx, w.events.Events)
		if paths := w.scan(); len(paths) > 0 && ctx.Err() == nil {
			changed(paths)
		}
	}
}

// debounce returns when no event has come for quietPeriod, or after maxDelay.
func debounce[T any](ctx context.Context, events <-chan T) {
	end := time.NewTimer(maxDelay)
	defer end.Stop()
	quiet := time.NewTimer(quietPeriod)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-quiet.C:
			return
		case _, open := <-events:
			if !open {
				return
			}
			quiet.Reset(quietPeriod)
		}
	}
}

// scan reads the state of all files, and returns the paths of those that have changed since the last scan.
func (w *Watcher) scan() []string {
	found := map[string]fs.FileInfo{}
	if file := w.options.File; file != "" {
		w.follow(filepath.Dir(file)) // since a new file may be renamed over it
		if info, err := os.Stat(file); err == nil {
			found[file] = info
		}
	}
	if !w.collect(w.options.Dir, found) {
		w.followParent(w.options.Dir)
		for path, info := range w.seen {
			if path != w.options.File {
				found[path] = info
			}
		}
	}
	var changed []string
	for path, info := range found {
		if before, known := w.seen[path]; !known || !sameFile(before, info) {
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

func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// collect follows a directory and its subdirectories, and adds the watched files to found. It reports whether the directory exists.
func (w *Watcher) collect(dir string, found map[string]fs.FileInfo) bool {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return false
	}
	w.follow(dir) // before reading it, so that no change is missed
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), "."):
		case entry.IsDir():
			w.collect(path, found) // if it has been removed, it has no files
		case w.options.Wanted(entry.Name()):
			if info, err := os.Stat(path); err == nil {
				found[path] = info
			}
		}
	}
	if dir == w.options.Dir {
		w.followParent(dir) // its events report that the directory itself is replaced
	}
	return true
}

// follow subscribes to the events of a directory. It is idempotent.
func (w *Watcher) follow(dir string) {
	if err := w.events.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.warn(err)
	}
}

// followParent follows the nearest existing parent directory.
func (w *Watcher) followParent(dir string) {
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		if _, err := os.Stat(parent); err == nil || parent == filepath.Dir(parent) {
			w.follow(parent)
			return
		}
	}
}

func (w *Watcher) warn(err error) {
	w.options.Log.Warn("watch: some changes may be missed", "error", err)
}
