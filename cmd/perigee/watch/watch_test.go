package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// watchSite creates a directory with scripts and a settings file, and returns a watcher of them.
func watchSite(t *testing.T) (dir string, w *Watcher) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{"server.toml": "1", "scripts/a.lua": "1", "scripts/b.lua": "1", "scripts/sub/c.lua": "1"} {
		put(t, filepath.Join(dir, name), text)
	}
	w, err := New(Options{
		Dir:    filepath.Join(dir, "scripts"),
		Wanted: func(name string) bool { return strings.HasSuffix(name, ".lua") },
		File:   filepath.Join(dir, "server.toml"),
		Log:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return dir, w
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// editor changes files in a directory.
type editor struct {
	t   *testing.T
	dir string
}

func (e editor) at(name string) string   { return filepath.Join(e.dir, name) }
func (e editor) put(name, text string)   { e.t.Helper(); put(e.t, e.at(name), text) }
func (e editor) rename(name, to string)  { e.t.Helper(); do(e.t, os.Rename(e.at(name), e.at(to))) }
func (e editor) remove(name string)      { e.t.Helper(); do(e.t, os.RemoveAll(e.at(name))) }
func (e editor) symlink(name, to string) { e.t.Helper(); do(e.t, os.Symlink(to, e.at(name))) }

// However a file is saved, exactly the files that have changed in the end are reported.
func TestEdits(t *testing.T) {
	rows := []struct {
		name string
		edit func(e editor)
		want string
	}{
		{"written in place", func(e editor) {
			e.put("scripts/a.lua", "22")
		}, "scripts/a.lua"},
		{"renamed over", func(e editor) {
			e.put("scripts/.a.lua.tmp", "2")
			e.rename("scripts/.a.lua.tmp", "scripts/a.lua")
		}, "scripts/a.lua"},
		{"by vim, which tests the directory first and keeps a backup", func(e editor) {
			e.put("scripts/4913", "")
			e.remove("scripts/4913")
			e.rename("scripts/a.lua", "scripts/a.lua~")
			e.put("scripts/a.lua", "2")
			e.remove("scripts/a.lua~")
		}, "scripts/a.lua"},
		{"by emacs, which locks with a dangling link", func(e editor) {
			e.symlink("scripts/.#a.lua", "somebody@somewhere")
			e.put("scripts/#a.lua#", "2")
			e.remove("scripts/#a.lua#")
			e.remove("scripts/.#a.lua")
		}, ""},
		{"several at once", func(e editor) {
			e.put("scripts/a.lua", "22")
			e.put("scripts/b.lua", "22")
			e.put("scripts/sub/c.lua", "22")
		}, "scripts/a.lua scripts/b.lua scripts/sub/c.lua"},
		{"new, in new directories", func(e editor) {
			e.put("scripts/x/y/z/new.lua", "1")
			e.put("scripts/.git/hidden.lua", "1")
			e.put("scripts/page.html", "1")
		}, "scripts/x/y/z/new.lua"},
		{"removed, with its directory", func(e editor) {
			e.remove("scripts/sub")
			e.remove("scripts/b.lua")
		}, "scripts/b.lua scripts/sub/c.lua"},
		{"all replaced", func(e editor) {
			e.put("new/a.lua", "2")
			e.put("new/sub/c.lua", "2")
			e.rename("scripts", "old")
			e.rename("new", "scripts")
		}, "scripts/a.lua scripts/b.lua scripts/sub/c.lua"},
		{"the file outside the directory", func(e editor) {
			e.put("server.toml.tmp", "2")
			e.rename("server.toml.tmp", "server.toml")
			e.put("state.json", "{}")
		}, "server.toml"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir, w := watchSite(t)
			e := editor{t, dir}
			ctx, stop := context.WithCancel(t.Context())
			reported := make(chan []string)
			var running sync.WaitGroup
			defer running.Wait()
			defer stop()
			running.Go(func() {
				w.Run(ctx, func(paths []string) {
					select {
					case reported <- paths:
					case <-ctx.Done():
					}
				})
			})
			row.edit(e)
			e.put("scripts/last.lua", "1") // comes after all else, or with it
			var got []string
			for !slices.Contains(got, "scripts/last.lua") {
				for _, path := range <-reported {
					name, err := filepath.Rel(dir, path)
					do(t, err)
					got = append(got, name)
				}
			}
			got = slices.DeleteFunc(got, func(name string) bool { return name == "scripts/last.lua" })
			slices.Sort(got)
			if got := strings.Join(slices.Compact(got), " "); got != row.want {
				t.Errorf("reported: %q, want %q", got, row.want)
			}
			// Changes in new directories are reported, too.
			if info, err := os.Stat(e.at("scripts/x/y/z")); err == nil && info.IsDir() {
				e.put("scripts/x/y/z/new.lua", "22")
				if got := <-reported; len(got) != 1 || got[0] != e.at("scripts/x/y/z/new.lua") {
					t.Errorf("reported for an edit in a new directory: %v, want only this file", got)
				}
			}
		})
	}
}

// While the directory is missing nothing is reported: the server must not switch to the built-in scripts.
func TestDirectoryRemoved(t *testing.T) {
	dir, w := watchSite(t)
	scripts, away := filepath.Join(dir, "scripts"), filepath.Join(dir, "away")
	do(t, os.Rename(scripts, away))
	if got := w.scan(); got != nil {
		t.Errorf("changed while the directory is missing: %v, want nothing", got)
	}
	put(t, filepath.Join(away, "a.lua"), "22")
	do(t, os.Rename(away, scripts))
	if got, want := w.scan(), filepath.Join(scripts, "a.lua"); len(got) != 1 || got[0] != want {
		t.Errorf("changed when it is back: %v, want %s", got, want)
	}
	do(t, os.Remove(filepath.Join(scripts, "a.lua")))
	if got, want := w.scan(), filepath.Join(scripts, "a.lua"); len(got) != 1 || got[0] != want {
		t.Errorf("changed when a file is removed: %v, want %s", got, want)
	}
}

// A directory that is created later is watched from then on.
func TestDirectoryCreated(t *testing.T) {
	dir := t.TempDir()
	scripts := filepath.Join(dir, "app", "scripts")
	w, err := New(Options{Dir: scripts, Wanted: func(string) bool { return true }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	reported := make(chan []string, 1)
	var running sync.WaitGroup
	running.Go(func() { w.Run(t.Context(), func(paths []string) { reported <- paths }) })
	put(t, filepath.Join(scripts, "a.lua"), "1")
	if got, want := <-reported, filepath.Join(scripts, "a.lua"); len(got) != 1 || got[0] != want {
		t.Errorf("reported: %v, want %s", got, want)
	}
	do(t, w.Close())
	running.Wait()
}

// Events in quick succession are one change; an endless series of events is not waited for.
func TestDebounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan int)
		began := time.Now()
		go func() {
			for i := range 10 {
				time.Sleep(quietPeriod / 2)
				events <- i
			}
		}()
		debounce(t.Context(), events)
		if got, want := time.Since(began), 10*quietPeriod/2+quietPeriod; got != want {
			t.Errorf("debounce after ten events took %s, want %s", got, want)
		}
		ctx, stop := context.WithCancel(t.Context())
		began = time.Now()
		go func() {
			for i := 0; ; i++ {
				time.Sleep(quietPeriod / 2)
				select {
				case events <- i:
				case <-ctx.Done():
					return
				}
			}
		}()
		debounce(ctx, events)
		if got := time.Since(began); got != maxDelay {
			t.Errorf("debounce with events without end took %s, want %s", got, maxDelay)
		}
		stop()
	})
}
