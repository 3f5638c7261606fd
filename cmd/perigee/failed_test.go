package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"perigee/cmd/perigee/report"
	"perigee/engine/testkit"
)

// Jobs can be pushed to a server that holds the queue itself, and queue failed lists failed ones with their reasons.
func TestPushAndFailed(t *testing.T) {
	t.Chdir(t.TempDir())
	_, environ := runtimeDir(t)
	server := start(t, environ)
	environ = append(environ, "SERVER_QUEUE_DRIVER=memory", "SERVER_PORT="+server.port)
	client := server.dial(t)
	if code, stdout, _ := perigee(t, environ, "queue", "failed"); code != 0 || stdout != "no job has failed since the server started\n" {
		t.Errorf("queue failed of a new server = %d, %q, want 0 and that there is none", code, stdout)
	}
	code, stdout, stderr := perigee(t, environ, "push", "AddPrize", `{"prize":{"name":"Mug of clay"}}`)
	if code != 0 || stdout != "job 1 is in \"default\"\n" {
		t.Errorf("push = %d, %q, %q, want 0 and the number of the job", code, stdout, stderr)
	}
	client.await("Mug of clay")
	if code, _, stderr := perigee(t, environ, "push", "Nowhere"); code != 0 {
		t.Fatalf("push Nowhere = %d, %q, want 0", code, stderr)
	}
	var failed report.Failures
	for give := time.Now().Add(testkit.Timeout); len(failed) == 0 && time.Now().Before(give); {
		code, stdout, stderr := perigee(t, environ, "queue", "failed", "--json")
		if err := json.Unmarshal([]byte(stdout), &failed); code != 0 || err != nil {
			t.Fatalf("queue failed --json = %d, %q, %q: %v", code, stdout, stderr, err)
		}
	}
	if len(failed) != 1 || failed[0].Job != 2 || failed[0].Command != "Nowhere" || !failed[0].Buried {
		t.Errorf("queue failed --json = %v, want job 2, Nowhere, buried", failed)
	}
	code, stdout, _ = perigee(t, environ, "status", "--json")
	var got report.Status
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil || got.Jobs.Condition != "connected" ||
		got.Jobs.Queue != "default" || got.Jobs.Begun != 2 || got.Jobs.Done != 1 || got.Jobs.Buried != 1 {
		t.Errorf("status --json = %d, %s, %v, want 2 jobs begun, 1 done and 1 buried", code, stdout, err)
	}
	_, stdout, _ = perigee(t, environ, "queue", "failed")
	if !strings.HasPrefix(stdout, "JOB ") || !strings.Contains(stdout, `buried  unknown command "Nowhere"`) {
		t.Errorf("queue failed = %q, want a table with the reason", stdout)
	}
}
