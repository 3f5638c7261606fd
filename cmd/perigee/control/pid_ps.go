//go:build darwin || freebsd

package control

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
)

// programName returns the program name of a process (ps(1)).
func programName(pid int) (string, error) {
	text, err := exec.CommandContext(context.Background(), "ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	return strings.TrimSpace(string(text)), err
}
