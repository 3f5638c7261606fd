package engine_test

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// limited runs a server with the handlers of testdata/limits.lua.
func limited(t *testing.T, change func(c *config.Config)) *enginetest.Server {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return enginetest.Start(t, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = dir, "limits"
		c.Limits.MessagesPerSecond = 0
		change(c)
	})
}

// An endless handler is aborted: only its message fails, and all other clients get their replies.
func TestEndlessHandlers(t *testing.T) {
	server := limited(t, func(c *config.Config) { c.Lua.TurnTimeout = config.Duration(100 * time.Millisecond) })
	const tooLong = "time limit exceeded"
	tryWays(t, server, []way{
		{"loop", tooLong},
		{"pcall", tooLong},
		{"coroutine", tooLong},
		{"tail_calls", tooLong},
		{"handler_of_errors", tooLong},
		{"sort", tooLong},
		{"backtracking", tooLong},
		{"error_that_lasts", "(error object is a table value)"},
	})
}

// A handler that exhausts the memory or the stack fails, and the log says why; all other clients get their replies.
func TestExcessiveHandlers(t *testing.T) {
	server := limited(t, func(c *config.Config) {
		c.Lua.TurnTimeout = config.Duration(time.Hour) // so that only the limit under test ends it
		c.Lua.Memory = config.Size(liveHeap()) + 128*config.MiB
	})
	const (
		tooMuch    = "memory limit exceeded"
		tooDeep    = "stack overflow"
		tooNested  = "nested deeper than 1000 levels"
		tooLong    = "the text is larger than 16 MiB"
		tooManyPut = "timers and promises are pending"
	)
	tryWays(t, server, []way{
		{"gsub", "result of 'gsub' is longer than 16777216 bytes"},
		{"rep", "result of 'rep' is longer than 16777216 bytes"},
		{"format", "invalid format (width or precision too long)"},
		{"concatenation", "result of '..' is longer than 16777216 bytes"},
		{"chain", "result of '..' is longer than 16777216 bytes"},
		{"unpack", "too many results of 'unpack' (limit 4096)"},
		{"strings", tooMuch},
		{"tables", tooMuch},
		{"lists", tooMuch},
		{"decode_long", tooMuch},
		{"recursion", tooDeep},
		{"recursion_of_pcall", tooDeep},
		{"recursion_of_metamethods", tooDeep},
		{"recursion_of_coroutines", tooDeep},
		{"encode_shared", tooLong},
		{"send_shared", tooLong},
		{"broadcast_shared", tooLong},
		{"encode_nested", tooNested},
		{"field_nested", tooNested},
		{"decode_nested", tooNested},
		{"error_that_fails", "(error object is a table value)"},
		{"next", tooManyPut},
		{"delay", tooManyPut},
		{"async", tooManyPut},
		{"promises", tooManyPut},
		{"timers", tooManyPut}, // the last: they stay
	})
}

// way is one action of a handler of testdata/limits.lua, and the log line about it.
type way struct{ name, want string }

func tryWays(t *testing.T, server *enginetest.Server, ways []way) {
	t.Helper()
	alice, bob := enter(t, server, "alice"), enter(t, server, "bob")
	for _, w := range ways {
		before := len(server.Log())
		alice.Send(`{"name":"Try ` + w.name + `"}`)
		alice.Expect("MessageException")
		for deadline := time.Now().Add(testkit.Timeout); !ping(t, bob); {
			if time.Now().After(deadline) {
				t.Fatalf("after %s every answer to bob is that his handler failed, want one Pong", w.name)
			}
		}
		if log := server.Log()[before:]; !strings.Contains(log, w.want) {
			t.Errorf("after %s the log says\n%s, want %q", w.name, log, w.want)
		}
	}
}

// enter opens a connection to a server with short turns. On a busy machine the open hook may be aborted; then it opens another.
func enter(t *testing.T, server *enginetest.Server, name string) *enginetest.Client {
	t.Helper()
	for deadline := time.Now().Add(testkit.Timeout); ; {
		if time.Now().After(deadline) {
			t.Fatalf("%s is never greeted", name)
		}
		c := server.Open(t, name, nil)
		greeted := false
		for answered := false; !answered && !time.Now().After(deadline); {
			c.Send(`{"name":"Ping"}`)
			frame := c.Next()
			for ; frame.Name() != "Pong" && frame["exception"] != "HandlerFailed"; frame = c.Next() {
				greeted = greeted || frame.Name() == "ConnectionEstablished"
			}
			answered = frame.Name() == "Pong"
		}
		if greeted {
			return c
		}
	}
}

// ping reports whether a client gets a reply in time. On a busy machine even so short a turn may be aborted.
func ping(t *testing.T, c *enginetest.Client) bool {
	t.Helper()
	c.Send(`{"name":"Ping"}`)
	answer := c.Next()
	for enginetest.ComesByClock(answer.Name()) {
		answer = c.Next()
	}
	if answer.Name() != "Pong" && answer["exception"] != "HandlerFailed" {
		t.Fatalf("a client < %v, want an answer", answer)
	}
	return answer.Name() == "Pong"
}

// A command that defers itself again and again, in short turns, is refused, and other clients get their replies.
func TestMultiplyingCommand(t *testing.T) {
	server := limited(t, func(*config.Config) {})
	alice, bob := server.Dial(t, "alice"), server.Dial(t, "bob")
	alice.Send(`{"name":"Multiply"}`)
	pong := enginetest.Frame{}
	for pong["full"] == nil {
		bob.Send(`{"name":"Ping"}`)
		pong = bob.Expect("Pong")
	}
	if problem, _ := pong["full"].(string); !strings.Contains(problem, "timers and promises are pending") {
		t.Errorf("server.next of a command that multiplies fails with %q, want it to say that too many turns are pending", problem)
	}
}

// A handler that registers topics without end is stopped like any other, and so are the server's own turns after it: there are
// never more than limits.topics, each of which costs time and memory in every later turn that changes one.
func TestEndlessTopics(t *testing.T) {
	server := limited(t, func(c *config.Config) {
		c.Lua.TurnTimeout = config.Duration(100 * time.Millisecond)
		c.Limits.Topics = 50
	})
	alice, bob := enter(t, server, "alice"), server.Open(t, "bob", nil)
	for _, way := range []string{"topics", "topics_with_pcall"} {
		alice.Send(`{"name":"Try ` + way + `"}`)
		for f := alice.Next(); f.Name() != "MessageException"; f = alice.Next() {
			topics, _ := f["topics"].(map[string]any)
			if f.Name() == "Survived" || len(topics) > 50 {
				t.Errorf("%s: alice < %v with %d topics, want an exception, and at most 50 topics", way, f.Name(), len(topics))
			}
		}
		bob.Send(`{"name":"Ping"}`)
		for f := bob.Next(); f.Name() != "Pong"; f = bob.Next() {
			continue
		}
	}
	if log := server.Log(); !strings.Contains(log, "there are 50 topics already (limits.topics)") || !strings.Contains(log, "time limit exceeded") {
		t.Error("the log does not name limits.topics and the time limit")
	}
}

// A thousand endless handlers leave nothing behind, and other clients get their replies in between.
func TestEndlessHandlersLeaveNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand handlers take 10 ms each, and more")
	}
	server := limited(t, func(c *config.Config) { c.Lua.TurnTimeout = config.Duration(2 * time.Millisecond) })
	alice, bob := enter(t, server, "alice"), enter(t, server, "bob")
	try := func(count int) {
		for range count {
			alice.Send(`{"name":"Try coroutine"}`)
			ping(t, bob)
			alice.Expect("MessageException")
		}
	}
	try(100)
	memory, goroutines := liveHeap(), runtime.NumGoroutine()
	try(900)
	if grown := liveHeap() - memory; grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes from the 100th to the 1000th endless handler, want less than 4 MiB", grown)
	}
	if n := runtime.NumGoroutine() - goroutines; n > 10 {
		t.Errorf("%d more goroutines after the 1000th endless handler than after the 100th, want none", n)
	}
}

// liveHeap returns the bytes of the heap that are in use.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
