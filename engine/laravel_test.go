package engine_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// Jobs that a Laravel application dispatches run here with their data; an encrypted one is buried.
func TestLaravelDispatches(t *testing.T) {
	server, service := work(t, "", nil)
	alice := server.Dial(t, "alice")
	alice.Expect("UpdatePrizes") // of the opening
	for _, row := range []struct{ name, sponsor string }{
		{"fluent", "Acme"}, {"string_class", "Acme"}, {"job", ""}, {"string", "Acme"}, {"raw", "Acme"},
	} {
		dispatch(t, server, row.name)
		prizes, _ := alice.Expect("UpdatePrizes")["prizes"].([]any)
		prize, _ := prizes[len(prizes)-1].(map[string]any)
		if prize["name"] != "Mug" || row.sponsor != "" && prize["sponsor"] != row.sponsor {
			t.Errorf("after Laravel has dispatched %s alice < prizes %v, want the mug of %s last", row.name, prizes, row.sponsor)
		}
	}
	dispatch(t, server, "fluent_empty")
	if prizes, _ := alice.Expect("UpdatePrizes")["prizes"].([]any); len(prizes) > 0 {
		t.Errorf("after Laravel has dispatched fluent_empty alice < prizes %v, want none", prizes)
	}
	id := dispatch(t, server, "encrypted")
	buried(t, service, id)
	logged(t, server, "encrypted", 1)
}

// dispatch lets a real Laravel dispatch one of the jobs of jobs.php, and returns its ID.
func dispatch(t *testing.T, server *enginetest.Server, name string) uint64 {
	t.Helper()
	for _, needed := range []string{"/usr/bin/php", "/usr/share/php/Illuminate/autoload.php", "/usr/share/php/Pheanstalk/autoload.php"} {
		if _, err := os.Stat(needed); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("Laravel is not installed: %v", err)
		}
	}
	host, port, err := net.SplitHostPort(server.Config.Queue.Address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	command := exec.CommandContext(ctx, "/usr/bin/php", "queue/body/testdata/jobs.php", host, port, "default", name)
	command.Stderr = t.Output()
	printed, err := command.Output()
	var id uint64
	if err == nil {
		_, err = fmt.Sscanf(string(printed), name+" %d", &id)
	}
	if err != nil {
		t.Fatalf("jobs.php %s prints %q, %v, want the number of a job", name, printed, err)
	}
	return id
}
