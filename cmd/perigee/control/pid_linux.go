package control

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// programName returns the program name of a process (proc(5), /proc/pid/comm).
func programName(pid int) (string, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	return strings.TrimSpace(string(text)), err
}
