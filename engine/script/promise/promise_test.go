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

// Rejections that nobody handles are logged once a second for each place, with how many were left unsaid.
func TestRejections(t *testing.T) {
	var log bytes.Buffer
	now := time.Unix(1795384421, 0)
	k := New(Options{
		Log:  slog.New(slog.NewTextHandler(&log, nil)),
		Next: func(_ string, run func()) { run() },
		Now:  func() time.Time { return now },
	})
	reject := func(place string) { k.promise(place).reject(lua.LString(strings.Repeat("!", 1<<20))) }
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

// What runs after a turn that panicked is not taken for a part of it.
func TestWithinThatPanics(t *testing.T) {
	k := New(Options{})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Within returned, want the panic of what it ran")
			}
		}()
		k.Within(t.Context(), func() { panic("broken") })
	}()
	if k.task != nil {
		t.Error("after the panic handlers run under a task that has ended, want none")
	}
}

// A chain of promises settles on the stack of one, however long a script makes it.
func TestLongChains(t *testing.T) {
	const length = 100_000
	for name, link := range map[string]func(k *Keeper) lua.LGFunction{
		"race": func(k *Keeper) lua.LGFunction { return k.race },
		"all":  func(k *Keeper) lua.LGFunction { return k.all },
		"resolve": func(k *Keeper) lua.LGFunction {
			return func(L *lua.LState) int {
				made := k.promise("chat.lua:5")
				made.resolve(L.CheckTable(1).RawGetInt(1))
				return k.push(L, made)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			L := lua.NewState()
			defer L.Close()
			k := New(Options{Room: func() error { return nil }})
			k.metatable = L.NewTable()
			L.SetGlobal("link", L.NewFunction(link(k)))
			first := k.promise("chat.lua:1")
			L.SetGlobal("p", api.Object(first, k.metatable))
			L.SetGlobal("length", lua.LNumber(length))
			if err := L.DoString(`for _ = 1, length do p = link({p}) end`); err != nil {
				t.Fatalf("linking %d promises = %v, want nil", length, err)
			}
			depth := 0
			last := asPromise(L.GetGlobal("p"))
			last.whenSettled(func() { depth = runtime.Callers(0, make([]uintptr, length)) })
			first.resolve(lua.LTrue)
			if !last.settled || depth == 0 || depth > 100 {
				t.Errorf("after resolve the last of %d promises has settled: %t, %d calls deep, want true, and 1 to 100", length, last.settled, depth)
			}
		})
	}
}

// What waits for other promises asks for room, as everything does that scripts put off.
func TestRoom(t *testing.T) {
	k := New(Options{Room: func() error { return errors.New("full") }})
	for name, fn := range map[string]lua.LGFunction{"race": k.race, "all": k.all} {
		L := lua.NewState()
		L.SetGlobal("f", L.NewFunction(fn))
		if err := L.DoString(`f({1})`); err == nil || !strings.Contains(err.Error(), "too much is put off") {
			t.Errorf("%s without room = %v, want that too much is put off", name, err)
		}
		L.Close()
	}
}
