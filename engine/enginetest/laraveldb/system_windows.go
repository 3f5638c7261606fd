package laraveldb

import (
	"os/exec"
	"testing"
)

func giveAway(tb testing.TB, _ string) { tb.Helper() }

func dropRights(*exec.Cmd) {}

func ended(*exec.Cmd) bool { return false }
