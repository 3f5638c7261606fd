package config

import (
	"errors"
	"fmt"
)

// errTwoKeys is the problem of settings that would leave it open which key is the right one.
var errTwoKeys = errors.New("both key and key_file are set; leave one of them out")

// errNoStateFile is the problem of a state that is to be on the disk before a job is gone, where nothing says on which file.
var errNoStateFile = errors.New(`"job" needs state.file, which is empty; write for example file = "state.json" beside it, or sync = "interval"`)

// checkTogether checks what no setting can tell alone. A setting whose own value was wrong is left out.
func (l *loader) checkTogether() {
	l.checkKey()
	if l.config.State.Sync == SyncJob && l.config.State.File == "" && !l.failed["state.file"] {
		l.problems.add(l.places["state.sync"], errNoStateFile)
	}
	l.atMost("stop.drain", "stop.timeout",
		int64(l.config.Stop.Drain), int64(l.config.Stop.Timeout), l.config.Stop.Drain, l.config.Stop.Timeout)
	l.atMost("limits.send_queue_bytes", "limits.send_memory",
		int64(l.config.Limits.SendQueueBytes), int64(l.config.Limits.SendMemory),
		l.config.Limits.SendQueueBytes, l.config.Limits.SendMemory)
}

// checkKey lets the later of key and key_file win, and refuses both from one source. A key that stands there with its
// default, as in the server.toml that we ship, is not one that somebody chose.
func (l *loader) checkKey() {
	server := &l.config.Server
	key, file := l.places["server.key"], l.places["server.key_file"]
	if server.KeyFile == "" || l.failed["server.key"] || l.failed["server.key_file"] {
		return
	}
	switch {
	case key.layer > file.layer:
		server.KeyFile = ""
	case key.layer < file.layer, server.Key == defaultKey:
		server.Key = ""
	default:
		l.problems.add(file, errTwoKeys)
	}
}

// atMost notes a problem when a small setting is larger than a large one, at that of the two which was set last.
func (l *loader) atMost(small, large string, smallValue, largeValue int64, smallText, largeText fmt.Stringer) {
	if smallValue <= largeValue || l.failed[small] || l.failed[large] {
		return
	}
	at, text, other, otherText, relation := l.places[small], smallText, large, largeText, "more"
	if p := l.places[large]; p.layer > at.layer {
		at, text, other, otherText, relation = p, largeText, small, smallText, "less"
	}
	l.problems.add(at, fmt.Errorf("%s is %s than %s, which is %s", text, relation, other, otherText))
}
