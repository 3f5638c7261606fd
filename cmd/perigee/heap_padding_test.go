package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// The garbage collector runs once while a server starts, when package ahead allocates the padding of the heap. From then on
// at least 16 MiB of garbage accumulate before it is collected.
func TestHeapPadding(t *testing.T) {
	v := newVictim(t)
	cmd := exec.Command(v.program, "start", "--port", "0", "--lua-manager", "app", "--queue-driver", "off", "--control", "off")
	cmd.Env = append(os.Environ(), "GOGC=100", "GODEBUG=gctrace=1") // prints a line for each collection
	var log bytes.Buffer
	v.run(t, cmd, &log)
	v.stop(t)
	collections := regexp.MustCompile(`(?m)^gc .*$`).FindAllString(log.String(), -1)
	if want := regexp.MustCompile(`->1[67] MB, `); len(collections) != 1 || !want.MatchString(collections[0]) {
		t.Errorf("collections %q, want one, with 16 MB of heap in the end", collections)
	}
}
