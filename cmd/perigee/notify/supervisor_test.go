package notify

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// A supervisor is recognized by what it puts into the environment of the programs that it starts, and not by what a shell in a
// session of systemd has there.
func TestSupervisor(t *testing.T) {
	reference, err := os.ReadFile("../../../scripts/REFERENCE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		variable, value string
		pid             int
		want            string
	}{
		{"", "", 7, ""},
		{"", "", 1, "the container runtime"},
		{"SYSTEMD_EXEC_PID", "7", 7, "systemd"},
		{"SYSTEMD_EXEC_PID", "6", 7, ""},
		{"INVOCATION_ID", "0123456789abcdef", 7, ""},
		{"NOTIFY_SOCKET", "/run/systemd/notify", 7, "systemd"},
		{"SUPERVISOR_ENABLED", "1", 7, "Supervisor"},
		{"pm_id", "0", 7, "pm2"},
		{"KUBERNETES_SERVICE_HOST", "10.0.0.1", 7, "Kubernetes"},
	} {
		environment := func(name string) string {
			if name == row.variable {
				return row.value
			}
			return ""
		}
		if got := Supervisor(environment, row.pid); got != row.want {
			t.Errorf("Supervisor(%s=%s, process %d) = %q, want %q", row.variable, row.value, row.pid, got, row.want)
		}
		if row.want != "" && !strings.Contains(string(reference), strconv.Quote(row.want)) {
			t.Errorf("the reference does not name %q as a supervisor", row.want)
		}
	}
}
