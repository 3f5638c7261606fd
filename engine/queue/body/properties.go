package body

import (
	"slices"
	"strings"

	"perigee/engine/queue/php"
)

// own returns the properties of a job or an event that are the application's: not null, and not Laravel's, which say how
// the job is run and not what it shall do. Those of a Fluent are its attributes, and what its class has besides.
func own(v *php.Value, laravels func(php.Entry) bool) []php.Entry {
	properties := slices.DeleteFunc(visible(v), laravels)
	place := slices.IndexFunc(properties, isAttributes)
	if place >= 0 && (len(properties) == 1 || hasDispatcher(v)) {
		properties = slices.Replace(properties, place, place+1, properties[place].Value.Entries...)
		properties = once(properties)
	}
	return slices.DeleteFunc(properties, func(e php.Entry) bool { return e.Value.Kind == php.Null })
}

// visible returns the entries of an object, each name once: what its own class calls so, where a class above it has a
// private property of the same name.
func visible(v *php.Value) []php.Entry {
	above := func(e php.Entry) bool { return e.Owner != "" && e.Owner != php.Protected && e.Owner != v.Class }
	var inner, outer []php.Entry
	for _, e := range v.Entries {
		if above(e) {
			outer = append(outer, e)
		} else {
			inner = append(inner, e)
		}
	}
	if len(outer) == 0 {
		return once(inner)
	}
	return once(append(inner, outer...))
}

// once returns new entries with each key once, the first of them.
func once(entries []php.Entry) []php.Entry {
	known := make(map[string]bool, len(entries))
	kept := make([]php.Entry, 0, len(entries))
	for _, e := range entries {
		if !known[e.Key] {
			known[e.Key] = true
			kept = append(kept, e)
		}
	}
	return kept
}

// isAttributes reports whether a property is where Illuminate\Support\Fluent keeps what has been set.
func isAttributes(e php.Entry) bool {
	return e.Key == "attributes" && e.Owner == php.Protected && e.Value.Kind == php.Array
}

// hasDispatcher tells a command of the package artisansdk/server: a Fluent that may have properties of its own.
func hasDispatcher(v *php.Value) bool {
	return slices.ContainsFunc(v.Entries, isDispatcher)
}

func isDispatcher(e php.Entry) bool {
	return e.Key == "dispatcher" && e.Owner == php.Protected && e.Value.Kind == php.Null
}

// laravels reports whether a property of a job is one of Laravel's: of Queueable, InteractsWithQueue, Batchable, or read
// by its queue. Those are public, and have the types that they have there: an application's command may well have an
// array that it calls connection.
func laravels(e php.Entry) bool {
	if e.Owner != "" {
		return isDispatcher(e) || e.Key == "job" && isQueueJob(e.Value)
	}
	switch kind := e.Value.Kind; e.Key {
	case "connection", "queue", "chainConnection", "chainQueue", "batchId", "messageGroup", "uniqueId":
		return kind == php.Null || kind == php.String || kind == php.Int || kind == php.Enum
	case "delay", "retryUntil", "timeoutAt", "uniqueFor":
		return kind == php.Null || kind == php.Int || kind == php.Float || kind == php.Object
	case "tries", "timeout", "retryAfter", "maxExceptions":
		return kind == php.Null || kind == php.Int
	case "backoff":
		return kind == php.Null || kind == php.Int || kind == php.Array || kind == php.String
	case "middleware", "chained", "chainCatchCallbacks", "deduplicator":
		return kind == php.Null || kind == php.Array || kind == php.Object
	case "afterCommit", "failOnTimeout", "deleteWhenMissingModels", "shouldBeEncrypted":
		return kind == php.Null || kind == php.Bool
	case "job":
		return isQueueJob(e.Value)
	}
	return false
}

// isQueueJob reports whether v is what Laravel's worker hands to a job that interacts with its queue, or nothing.
func isQueueJob(v *php.Value) bool {
	return v.Kind == php.Null || v.Kind == php.Object && strings.HasPrefix(v.Class, `Illuminate\Queue\Jobs\`)
}

// broadcasts is laravels for an event that is broadcast: its connection and its queue are those of the broadcast.
func broadcasts(e php.Entry) bool {
	switch e.Key {
	case "broadcastQueue":
		return e.Owner == "" && (e.Value.Kind == php.Null || e.Value.Kind == php.String)
	case "broadcastConnection":
		return e.Owner == php.Protected
	}
	return isSocket(e) || laravels(e)
}

// isSocket is laravels for an event that a listener hears: of InteractsWithSockets, who is not to hear the broadcast.
func isSocket(e php.Entry) bool {
	return e.Key == "socket" && e.Owner == "" && (e.Value.Kind == php.Null || e.Value.Kind == php.String)
}
