package redis

import (
	_ "embed" // for the scripts

	"github.com/gomodule/redigo/redis"
)

// The scripts, each of which begins with jobScript.
var (
	//go:embed job.lua
	jobScript string
	//go:embed reserve.lua
	reserveScript string
	//go:embed delete.lua
	deleteScript string
	//go:embed release.lua
	releaseScript string
	//go:embed give_back.lua
	giveBackScript string
	//go:embed bury.lua
	buryScript string
	//go:embed touch.lua
	touchScript string
	//go:embed put.lua
	putScript string
	//go:embed kick.lua
	kickScript string
	//go:embed kick_job.lua
	kickJobScript string
	//go:embed remove.lua
	removeScript string
)

// scripts are the scripts of a connection.
type scripts struct {
	reserve, delete, release, giveBack, bury, touch, put, kick, kickJob, remove *redis.Script
}

func newScripts() scripts {
	script := func(text string) *redis.Script { return redis.NewScript(len(keys{}.all()), jobScript+text) }
	return scripts{
		reserve: script(reserveScript), delete: script(deleteScript), release: script(releaseScript), giveBack: script(giveBackScript),
		bury: script(buryScript), touch: script(touchScript), put: script(putScript),
		kick: script(kickScript), kickJob: script(kickJobScript), remove: script(removeScript),
	}
}

func (s scripts) all() []*redis.Script {
	return []*redis.Script{s.reserve, s.delete, s.release, s.giveBack, s.bury, s.touch, s.put, s.kick, s.kickJob, s.remove}
}

// keys are the keys of a queue, as Laravel names them; it has none for buried jobs.
type keys struct {
	ready, delayed, reserved, notify, buried, reasons string
}

func keysOf(prefix, name string) keys {
	ready := prefix + "queues:" + name
	return keys{ready, ready + ":delayed", ready + ":reserved", ready + ":notify", ready + ":buried", ready + ":buried:reasons"}
}

// all returns the keys in the order in which scripts get them.
func (k keys) all() []any {
	return []any{k.ready, k.delayed, k.reserved, k.notify, k.buried, k.reasons}
}
