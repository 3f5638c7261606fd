package config

import (
	"errors"
	"fmt"
)

// errTwoKeys is the error if one source sets both a key and a key file.
var errTwoKeys = errors.New("both key and key_file are set; remove one of them")

// errNoStateFile is the error if the state is to be saved before a job is deleted, but there is no file.
var errNoStateFile = errors.New(`"job" needs state.file, which is empty; write for example file = "state.json" in the same section, or sync = "interval"`)

// checkConsistency checks settings that depend on each other. It skips settings whose own value is wrong.
func (l *loader) checkConsistency() {
	l.checkKey()
	if l.config.State.Sync == SyncJob && l.config.State.File == "" && !l.failed["state.file"] {
		l.errs.add(l.origins["state.sync"], errNoStateFile)
	}
	l.checkAtMost("stop.drain", "stop.timeout",
		int64(l.config.Stop.Drain), int64(l.config.Stop.Timeout), l.config.Stop.Drain, l.config.Stop.Timeout)
	l.checkAtMost("limits.send_queue_bytes", "limits.send_memory",
		int64(l.config.Limits.SendQueueBytes), int64(l.config.Limits.SendMemory),
		l.config.Limits.SendQueueBytes, l.config.Limits.SendMemory)
}

// checkKey keeps the later of key and key_file, and refuses both from one source. A key with the default value, as in the shipped
// server.toml, counts as unset.
func (l *loader) checkKey() {
	server := &l.config.Server
	key, file := l.origins["server.key"], l.origins["server.key_file"]
	if server.KeyFile == "" || l.failed["server.key"] || l.failed["server.key_file"] {
		return
	}
	switch {
	case key.source > file.source:
		server.KeyFile = ""
	case key.source < file.source, server.Key == defaultKey:
		server.Key = ""
	default:
		l.errs.add(file, errTwoKeys)
	}
}

// checkAtMost adds an error if the setting small is larger than the setting large, for the one that was set last.
func (l *loader) checkAtMost(small, large string, smallValue, largeValue int64, smallText, largeText fmt.Stringer) {
	if smallValue <= largeValue || l.failed[small] || l.failed[large] {
		return
	}
	at, text, other, otherText, relation := l.origins[small], smallText, large, largeText, "more"
	if p := l.origins[large]; p.source > at.source {
		at, text, other, otherText, relation = p, largeText, small, smallText, "less"
	}
	l.errs.add(at, fmt.Errorf("%s is %s than %s, which is %s", text, relation, other, otherText))
}
