package config

import (
	"errors"
	"fmt"
	"time"
)

// errTwoKeys is the error if one source sets both a key and a key file.
var errTwoKeys = errors.New("both key and key_file are set; remove one of them")

// errNoStateFile is the error if the state is to be saved before a job is deleted, but there is no file.
var errNoStateFile = errors.New(`"job" needs state.file, which is empty; write for example file = "state.json" in the same section, or sync = "interval"`)

// errNoDSN is the error if the jobs are in a database, but there is none.
var errNoDSN = errors.New(`"database" needs queue.dsn, which is empty; write for example dsn = "postgres://user:password@127.0.0.1/app" in the same section`)

// checkConsistency checks settings that depend on each other. It skips settings whose own value is wrong.
func (l *loader) checkConsistency() {
	l.checkKey()
	if l.config.State.Sync == SyncJob && l.config.State.File == "" && !l.failed["state.file"] {
		l.errs.add(l.origins["state.sync"], errNoStateFile)
	}
	if l.config.Queue.Driver == DriverDatabase && l.config.Queue.DSN == "" && !l.failed["queue.dsn"] {
		l.errs.add(l.origins["queue.driver"], errNoDSN)
	}
	if after := l.config.Queue.RetryAfter.Std(); l.config.Queue.Driver == DriverDatabase && (after%time.Second != 0 || after < 2*time.Second) {
		l.errs.add(l.origins["queue.retry_after"], fmt.Errorf("%v is not a whole number of seconds, at least 2, as the driver database needs", l.config.Queue.RetryAfter))
	}
	l.warnOfLostJobs()
	l.checkQueue()
	checkAtMost(l, "stop.drain", "stop.timeout", l.config.Stop.Drain, l.config.Stop.Timeout)
	checkAtMost(l, "limits.send_queue_bytes", "limits.send_memory", l.config.Limits.SendQueueBytes, l.config.Limits.SendMemory)
}

// checkQueue checks what beanstalkd needs and other services do not.
func (l *loader) checkQueue() {
	q := l.config.Queue
	if q.Driver != DriverBeanstalkd {
		return
	}
	if err := checkTube(q.Name); err != nil && !l.failed["queue.name"] {
		l.errs.add(l.origins["queue.name"], err)
	}
	if isRedisURL(q.Address) && !l.failed["queue.address"] {
		l.errs.add(l.origins["queue.address"], errRedisForBeanstalkd)
	}
}

// errRedisForBeanstalkd is the error if an address is that of another service.
var errRedisForBeanstalkd = errors.New(`the address is that of a Redis server; set queue.driver = "redis"`)

// warnOfLostJobs warns if jobs are deleted before their effect is saved.
func (l *loader) warnOfLostJobs() {
	state := l.config.State
	if state.File != "" && state.Sync == SyncInterval && l.config.Queue.Driver != DriverOff {
		l.config.Warnings = append(l.config.Warnings, fmt.Sprintf(`state.sync is "interval": a crash undoes what jobs have changed in server.state `+
			`in the last %s, although these jobs are done; set it to "job", or queue.driver to "off" if there are no jobs`, state.Interval))
	}
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
func checkAtMost[T Duration | Size](l *loader, small, large string, smallValue, largeValue T) {
	if smallValue <= largeValue || l.failed[small] || l.failed[large] {
		return
	}
	at, value, other, otherValue, relation := l.origins[small], smallValue, large, largeValue, "more"
	if p := l.origins[large]; p.source > at.source {
		at, value, other, otherValue, relation = p, largeValue, small, smallValue, "less"
	}
	l.errs.add(at, fmt.Errorf("%v is %s than %s, which is %v", value, relation, other, otherValue))
}
