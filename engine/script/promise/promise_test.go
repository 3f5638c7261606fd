package promise

import (
	"bytes"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/logging"
	"perigee/engine/script/api"
)

// fakeLoop runs deferred turns at once. Any method that it lacks is a nil pointer.
type fakeLoop struct {
	Loop
	now  *time.Time
	full error // of CheckDeferred
}

func (l fakeLoop) Now() time.Time           { return *l.now }
func (fakeLoop) Defer(_ string, run func()) { run() }
func (l fakeLoop) CheckDeferred() error     { return l.full }

// Unhandled rejections are logged once a second for each place, with the number of those left out.
func TestUnhandledRejections(t *testing.T) {
	var log bytes.Buffer
	now := time.Unix(1795384421, 0)
	r := New(Options{
		Log:  slog.New(slog.NewTextHandler(&log, nil)),
		Loop: fakeLoop{now: &now},
	})
	reject := func(place string) { r.newPromise(place).reject(lua.LString(strings.Repeat("!", 1<<20))) }
	for range 50 {
		reject("chat.lua:3")
	}
	reject("chat.lua:4")
	now = now.Add(time.Second)
	reject("chat.lua:3")
	lines := strings.SplitAfter(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("log has %d lines, want 3", len(lines))
	}
	for i, want := range []string{"place=chat.lua:3 ", "place=chat.lua:4 ", "suppressed=49"} {
		if !strings.Contains(lines[i], want) || len(lines[i]) > 2*logging.MaxValue {
			t.Errorf("line %d has %d bytes: %.100s, want it short with %s", i, len(lines[i]), lines[i], want)
		}
	}
}

// Handlers that run after a panic in Within do not belong to its task.
func TestWithinPanics(t *testing.T) {
	r := New(Options{})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Within returned, want the panic of what it ran")
			}
		}()
		r.Within(t.Context(), func() { panic("broken") })
	}()
	if r.task != nil {
		t.Error("after the panic handlers run as part of a task that has ended, want none")
	}
}

// Settling a long chain of promises takes no more stack than settling one.
func TestLongChains(t *testing.T) {
	const length = 100_000
	for name, link := range map[string]func(r *Runtime) lua.LGFunction{
		"race": func(r *Runtime) lua.LGFunction { return r.race },
		"all":  func(r *Runtime) lua.LGFunction { return r.all },
		"resolve": func(r *Runtime) lua.LGFunction {
			return func(L *lua.LState) int {
				made := r.newPromise("chat.lua:5")
				made.resolve(L.CheckTable(1).RawGetInt(1))
				return r.push(L, made)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			L := lua.NewState()
			defer L.Close()
			r := New(Options{Loop: fakeLoop{}})
			r.metatable = L.NewTable()
			L.SetGlobal("link", L.NewFunction(link(r)))
			first := r.newPromise("chat.lua:1")
			L.SetGlobal("p", api.NewObject(first, r.metatable))
			L.SetGlobal("length", lua.LNumber(length))
			if err := L.DoString(`for _ = 1, length do p = link({p}) end`); err != nil {
				t.Fatalf("linking %d promises = %v, want nil", length, err)
			}
			depth := 0
			last, _ := api.ObjectOf[*promise](L.GetGlobal("p"))
			last.whenSettled(func() { depth = runtime.Callers(0, make([]uintptr, length)) })
			first.resolve(lua.LTrue)
			if !last.settled || depth == 0 || depth > 100 {
				t.Errorf("after resolve the last of %d promises has settled: %t, %d calls deep, want true, and 1 to 100", length, last.settled, depth)
			}
		})
	}
}

// server.race and server.all fail if too many turns are deferred, as everything does that defers one.
func TestTooManyDeferred(t *testing.T) {
	r := New(Options{Loop: fakeLoop{full: errors.New("full")}})
	for name, fn := range map[string]lua.LGFunction{"race": r.race, "all": r.all} {
		L := lua.NewState()
		L.SetGlobal("f", L.NewFunction(fn))
		if err := L.DoString(`f({1})`); err == nil || !strings.Contains(err.Error(), "are pending") {
			t.Errorf("%s with too many deferred turns = %v, want that too many are pending", name, err)
		}
		L.Close()
	}
}
