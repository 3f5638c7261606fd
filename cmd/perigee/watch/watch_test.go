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

// site makes a folder with scripts and a settings file, and returns what watches them.
func site(t *testing.T) (folder string, w *Watcher) {
	t.Helper()
	folder = t.TempDir()
	for name, text := range map[string]string{"server.toml": "1", "scripts/a.lua": "1", "scripts/b.lua": "1", "scripts/sub/c.lua": "1"} {
		put(t, filepath.Join(folder, name), text)
	}
	w, err := New(Options{
		Folder: filepath.Join(folder, "scripts"),
		Wanted: func(name string) bool { return strings.HasSuffix(name, ".lua") },
		File:   filepath.Join(folder, "server.toml"),
		Log:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return folder, w
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

// editor changes files of a folder.
type editor struct {
	t      *testing.T
	folder string
}

func (e editor) at(name string) string   { return filepath.Join(e.folder, name) }
func (e editor) put(name, text string)   { e.t.Helper(); put(e.t, e.at(name), text) }
func (e editor) rename(name, to string)  { e.t.Helper(); do(e.t, os.Rename(e.at(name), e.at(to))) }
func (e editor) remove(name string)      { e.t.Helper(); do(e.t, os.RemoveAll(e.at(name))) }
func (e editor) symlink(name, to string) { e.t.Helper(); do(e.t, os.Symlink(to, e.at(name))) }

// Whatever way a file is saved, what is told is what has changed in the end; what an editor leaves around is not.
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
		{"by vim, which tries the folder first and keeps a backup", func(e editor) {
			e.put("scripts/4913", "")
			e.remove("scripts/4913")
			e.rename("scripts/a.lua", "scripts/a.lua~")
			e.put("scripts/a.lua", "2")
			e.remove("scripts/a.lua~")
		}, "scripts/a.lua"},
		{"by emacs, which locks with a link that leads nowhere", func(e editor) {
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
		{"new, in new folders", func(e editor) {
			e.put("scripts/x/y/z/new.lua", "1")
			e.put("scripts/.git/hidden.lua", "1")
			e.put("scripts/page.html", "1")
		}, "scripts/x/y/z/new.lua"},
		{"removed, with its folder", func(e editor) {
			e.remove("scripts/sub")
			e.remove("scripts/b.lua")
		}, "scripts/b.lua scripts/sub/c.lua"},
		{"all put there anew", func(e editor) {
			e.put("new/a.lua", "2")
			e.put("new/sub/c.lua", "2")
			e.rename("scripts", "old")
			e.rename("new", "scripts")
		}, "scripts/a.lua scripts/b.lua scripts/sub/c.lua"},
		{"the one beside the folder", func(e editor) {
			e.put("server.toml.tmp", "2")
			e.rename("server.toml.tmp", "server.toml")
			e.put("state.json", "{}")
		}, "server.toml"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			folder, w := site(t)
			e := editor{t, folder}
			ctx, stop := context.WithCancel(t.Context())
			told := make(chan []string)
			var running sync.WaitGroup
			defer running.Wait()
			defer stop()
			running.Go(func() {
				w.Run(ctx, func(paths []string) {
					select {
					case told <- paths:
					case <-ctx.Done():
					}
				})
			})
			row.edit(e)
			e.put("scripts/last.lua", "1") // comes after all else, or with it
			var got []string
			for !slices.Contains(got, "scripts/last.lua") {
				for _, path := range <-told {
					name, err := filepath.Rel(folder, path)
					do(t, err)
					got = append(got, name)
				}
			}
			got = slices.DeleteFunc(got, func(name string) bool { return name == "scripts/last.lua" })
			slices.Sort(got)
			if got := strings.Join(slices.Compact(got), " "); got != row.want {
				t.Errorf("told: %q, want %q", got, row.want)
			}
			// What has come into folders that are new is heard too.
			if info, err := os.Stat(e.at("scripts/x/y/z")); err == nil && info.IsDir() {
				e.put("scripts/x/y/z/new.lua", "22")
				if got := <-told; len(got) != 1 || got[0] != e.at("scripts/x/y/z/new.lua") {
					t.Errorf("told of an edit in a new folder: %v, want it alone", got)
				}
			}
		})
	}
}

// While the folder is gone nothing is told: without it a server would run other scripts.
func TestFolderGone(t *testing.T) {
	folder, w := site(t)
	scripts, away := filepath.Join(folder, "scripts"), filepath.Join(folder, "away")
	do(t, os.Rename(scripts, away))
	if got := w.look(); got != nil {
		t.Errorf("changed while the folder is gone: %v, want nothing", got)
	}
	put(t, filepath.Join(away, "a.lua"), "22")
	do(t, os.Rename(away, scripts))
	if got, want := w.look(), filepath.Join(scripts, "a.lua"); len(got) != 1 || got[0] != want {
		t.Errorf("changed when it is back: %v, want %s", got, want)
	}
	do(t, os.Remove(filepath.Join(scripts, "a.lua")))
	if got, want := w.look(), filepath.Join(scripts, "a.lua"); len(got) != 1 || got[0] != want {
		t.Errorf("changed when a file is gone: %v, want %s", got, want)
	}
}

// A folder that was not there at first is found once it is.
func TestFolderComes(t *testing.T) {
	folder := t.TempDir()
	scripts := filepath.Join(folder, "app", "scripts")
	w, err := New(Options{Folder: scripts, Wanted: func(string) bool { return true }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan []string, 1)
	var running sync.WaitGroup
	running.Go(func() { w.Run(t.Context(), func(paths []string) { told <- paths }) })
	put(t, filepath.Join(scripts, "a.lua"), "1")
	if got, want := <-told, filepath.Join(scripts, "a.lua"); len(got) != 1 || got[0] != want {
		t.Errorf("told: %v, want %s", got, want)
	}
	do(t, w.Close())
	running.Wait()
}

// Events that follow each other closely are one change; those that never end are not waited for.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan int)
		began := time.Now()
		go func() {
			for i := range 10 {
				time.Sleep(quiet / 2)
				events <- i
			}
		}()
		settle(t.Context(), events)
		if got, want := time.Since(began), 10*quiet/2+quiet; got != want {
			t.Errorf("settle after ten events took %s, want %s", got, want)
		}
		ctx, stop := context.WithCancel(t.Context())
		began = time.Now()
		go func() {
			for i := 0; ; i++ {
				time.Sleep(quiet / 2)
				select {
				case events <- i:
				case <-ctx.Done():
					return
				}
			}
		}()
		settle(ctx, events)
		if got := time.Since(began); got != longest {
			t.Errorf("settle with events without end took %s, want %s", got, longest)
		}
		stop()
	})
}
