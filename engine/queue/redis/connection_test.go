package redis

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	server "perigee/engine/enginetest/redis"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// A job that is put while the worker waits is reserved at once, also by a server that cannot wait for it, and also a delayed one. What
// waits is ended by closing the source.
func TestWait(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		setting []string
	}{{"for a job", nil}, {"for a notification", []string{"--rename-command", "BLMOVE", ""}}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := server.Start(t, server.Options{Settings: row.setting})
			source, err := New(settings(s), slog.New(slog.DiscardHandler)).Open(t.Context(), "default")
			if err != nil {
				t.Fatalf("Open = %v, want nil", err)
			}
			client := NewClient(settings(s))
			defer client.Close()
			answers := make(chan error, 1)
			wait := func() { source.Reserve(time.Hour, func(_ queue.Job, err error) { answers <- err }) }
			for _, delay := range []time.Duration{0, 0, time.Second} {
				wait()
				if _, err := client.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte("x"), Delay: delay, Priority: queue.DefaultPriority}); err != nil {
					t.Fatalf("Put = %v, want nil", err)
				}
				if err := testkit.Receive(t, answers, "the job"); err != nil {
					t.Errorf("Reserve = %v, want the job", err)
				}
			}
			wait()
			source.Close()
			if err := testkit.Receive(t, answers, "the end of the wait"); err == nil {
				t.Error("Reserve by a source that is closed = nil, want an error")
			}
		})
	}
}

// The password is used, and is in no error and no line of the log.
func TestPassword(t *testing.T) {
	t.Parallel()
	const secret = "S3CRET-canary"
	s := server.Start(t, server.Options{Settings: []string{"--requirepass", secret}, Password: secret})
	right := Settings{Address: "redis://:" + secret + "@" + s.Address + "/3", TTR: time.Minute}
	client := NewClient(right)
	defer client.Close()
	if _, err := client.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte("x"), Priority: queue.DefaultPriority}); err != nil {
		t.Fatalf("Put with the password = %v, want nil", err)
	}
	for address, want := range map[string]string{
		s.Address: "NOAUTH", "redis://:wrong-" + secret + "@" + s.Address: "WRONGPASS",
	} {
		_, err := NewClient(Settings{Address: address}).Counts(t.Context(), "default")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "queue.address") || strings.Contains(err.Error(), secret) {
			t.Errorf("Counts = %v, want %s, the remedy, and no password", err, want)
		}
	}
	var log bytes.Buffer
	wrong := Settings{Address: "redis://:" + secret + "@127.0.0.1:1"}
	worker := queue.NewWorker(queue.Options{Name: "default", Service: "redis", Window: 1, Drain: func() time.Duration { return 0 }},
		New(wrong, slog.Default()), nil, slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { worker.Run(ctx) })
	testkit.WaitFor(t, "the first try", func() bool { return strings.Contains(worker.Status().Reason, "refused") })
	cancel()
	running.Wait()
	if text := log.String() + worker.Status().Reason; strings.Contains(text, secret) || !strings.Contains(text, "127.0.0.1:1") {
		t.Errorf("log and status are %s, want the address without the password", text)
	}
}

// A server of another kind, one that answers nothing, and a name with a space are errors that say so.
func TestWrongServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
			_ = c.Close()
		}
	})
	defer serving.Wait()
	defer l.Close()
	if _, err := New(Settings{Address: l.Addr().String()}, nil).Open(t.Context(), "default"); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("Open of a server of another kind = %v, want an error with its address", err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := New(Settings{Address: silent.Addr().String()}, nil).Open(ctx, "default"); err == nil {
		t.Error("Open of a server that answers nothing = nil, want an error")
	}
	if _, err := New(Settings{Address: "127.0.0.1:1"}, nil).Open(t.Context(), "a b"); err == nil || !strings.Contains(err.Error(), "spaces") {
		t.Errorf("Open of the queue %q = %v, want an error about the name", "a b", err)
	}
}

// A Unix socket and another database are used.
func TestSocketAndDatabase(t *testing.T) {
	t.Parallel()
	s := server.Start(t, server.Options{})
	for _, address := range []string{s.Socket, "unix://" + s.Socket, "redis://" + s.Address + "/5"} {
		client := NewClient(Settings{Address: address})
		defer client.Close()
		if _, err := client.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte("x"), Priority: queue.DefaultPriority}); err != nil {
			t.Errorf("Put to %s = %v, want nil", address, err)
		}
	}
	if got := do(t, s, "LLEN", "queues:default"); got != "2" {
		t.Errorf("the first database has %s jobs, want the 2 of the socket", got)
	}
}

// In a cluster, the queue is found on the server that has it; a name without braces is an error with the remedy.
func TestCluster(t *testing.T) {
	t.Parallel()
	var nodes []*server.Server
	for range 2 {
		nodes = append(nodes, server.Start(t, server.Options{Settings: []string{"--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"}}))
	}
	const half = 8192
	slots := func(from int) []any {
		arguments := []any{"ADDSLOTS"}
		for slot := from; slot < from+half; slot++ {
			arguments = append(arguments, slot)
		}
		return arguments
	}
	do(t, nodes[0], "CLUSTER", slots(0)...)
	do(t, nodes[1], "CLUSTER", slots(half)...)
	host, port, err := net.SplitHostPort(nodes[1].Address)
	if err != nil {
		t.Fatal(err)
	}
	do(t, nodes[0], "CLUSTER", "MEET", host, port)
	for _, node := range nodes {
		testkit.WaitFor(t, "the cluster", func() bool {
			return strings.Contains(do(t, node, "CLUSTER", "INFO"), "cluster_state:ok\r\ncluster_slots_assigned:16384")
		})
	}
	client := NewClient(Settings{Address: "redis://127.0.0.1:1," + nodes[0].Address + "," + nodes[1].Address})
	defer client.Close()
	for _, name := range []string{"{a}", "{b}", "{c}", "{d}"} { // of both halves
		if _, err := client.Put(t.Context(), queue.PutRequest{Queue: name, Body: []byte("x"), Priority: queue.DefaultPriority}); err != nil {
			t.Errorf("Put into %s = %v, want nil", name, err)
		}
		if n, err := client.Counts(t.Context(), name); err != nil || n.Ready != 1 {
			t.Errorf("Counts of %s = %+v, %v, want 1 ready", name, n, err)
		}
	}
	for _, node := range nodes {
		if got := do(t, node, "DBSIZE"); got == "0" {
			t.Errorf("%s has no keys, want some on each server", node.Address)
		}
	}
	if _, err := client.Counts(t.Context(), "default"); err == nil || !strings.Contains(err.Error(), `"{default}"`) {
		t.Errorf("Counts of a name without braces = %v, want the remedy", err)
	}
}

// A sentinel is asked for the master.
func TestSentinel(t *testing.T) {
	t.Parallel()
	master := server.Start(t, server.Options{})
	host, port, err := net.SplitHostPort(master.Address)
	if err != nil {
		t.Fatal(err)
	}
	sentinel := server.Start(t, server.Options{Sentinel: true})
	do(t, sentinel, "SENTINEL", "MONITOR", "main", host, port, 1)
	client := NewClient(Settings{Address: "redis-sentinel://127.0.0.1:1," + sentinel.Address + "/main"})
	defer client.Close()
	if _, err := client.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte("x"), Priority: queue.DefaultPriority}); err != nil {
		t.Errorf("Put = %v, want nil", err)
	}
	if got := do(t, master, "LLEN", "queues:default"); got != "1" {
		t.Errorf("the master has %s jobs, want 1", got)
	}
	if _, err := NewClient(Settings{Address: "redis-sentinel://" + sentinel.Address + "/other"}).Counts(t.Context(), "default"); err == nil ||
		!strings.Contains(err.Error(), `no master with the name "other"`) {
		t.Errorf("Counts with another master = %v, want an error with the name", err)
	}
}

// Examine names the keys, and queues of the same name under another prefix.
func TestExamine(t *testing.T) {
	t.Parallel()
	s := server.Start(t, server.Options{})
	for _, key := range []string{"laravel_database_queues:default", "queues:default_too", "shop_queues:default:notify", base} {
		do(t, s, "RPUSH", key, "x")
	}
	do(t, s, "ZADD", "other_queues:default:delayed", 1, "x")
	notes, warnings := Examine(t.Context(), settings(s), "default")
	if text := strings.Join(notes, "\n"); len(notes) != 1 || !strings.Contains(text, base+":delayed") {
		t.Errorf("Examine notes %q, want the keys", notes)
	}
	if text := strings.Join(warnings, "\n"); len(warnings) != 2 || !strings.Contains(text, `prefix = "laravel_database_"`) || !strings.Contains(text, `prefix = "other_"`) {
		t.Errorf("Examine warns %q, want the two other prefixes", warnings)
	}
	s.Kill()
	if notes, warnings := Examine(t.Context(), settings(s), "default"); len(notes) != 2 || len(warnings) != 0 {
		t.Errorf("Examine of a server that is down = %q, %q, want a note", notes, warnings)
	}
}
