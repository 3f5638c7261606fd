package body

import (
	"slices"
	"strings"
)

// ownProperties returns the properties of a job or an event that belong to the application: those that are not null and not
// Laravel's, as isLaravelProperty reports. A Fluent's are its attributes, and other properties of its class.
func ownProperties(v *phpValue, isLaravelProperty func(phpEntry) bool) []phpEntry {
	properties := slices.DeleteFunc(visible(v), isLaravelProperty)
	i := slices.IndexFunc(properties, isAttributes)
	if i >= 0 && (len(properties) == 1 || slices.ContainsFunc(v.Entries, isDispatcher)) {
		properties = slices.Replace(properties, i, i+1, properties[i].Value.Entries...)
		properties = unique(properties)
	}
	return slices.DeleteFunc(properties, func(e phpEntry) bool { return e.Value.Kind == phpNull })
}

// visible returns the entries of an object, each name once. A property of its own class takes precedence over a private one of a
// parent class.
func visible(v *phpValue) []phpEntry {
	ofParent := func(e phpEntry) bool { return e.Owner != "" && e.Owner != phpProtected && e.Owner != v.Class }
	var own, parents []phpEntry
	for _, e := range v.Entries {
		if ofParent(e) {
			parents = append(parents, e)
		} else {
			own = append(own, e)
		}
	}
	return unique(append(own, parents...))
}

// unique returns a new slice with the first entry of each key.
func unique(entries []phpEntry) []phpEntry {
	known := make(map[string]bool, len(entries))
	kept := make([]phpEntry, 0, len(entries))
	for _, e := range entries {
		if !known[e.Key] {
			known[e.Key] = true
			kept = append(kept, e)
		}
	}
	return kept
}

// isAttributes reports whether a property is the one that holds the attributes of an Illuminate\Support\Fluent.
func isAttributes(e phpEntry) bool {
	return e.Key == "attributes" && e.Owner == phpProtected && e.Value.Kind == phpArray
}

// isDispatcher reports whether a property shows that its object is a command of the package artisansdk/server: a Fluent that may
// have other properties.
func isDispatcher(e phpEntry) bool {
	return e.Key == "dispatcher" && e.Owner == phpProtected && e.Value.Kind == phpNull
}

// isLaravelProperty reports whether a property of a job belongs to Laravel: to Queueable, InteractsWithQueue or Batchable, or is read by its
// queue. Those are public and have certain types: an application's command may have an array named connection.
func isLaravelProperty(e phpEntry) bool {
	if e.Owner != "" {
		return isDispatcher(e) || e.Key == "job" && isQueueJob(e.Value)
	}
	switch kind := e.Value.Kind; e.Key {
	case "connection", "queue", "chainConnection", "chainQueue", "batchId", "messageGroup", "uniqueId":
		return kind == phpNull || kind == phpString || kind == phpInt || kind == phpEnum
	case "delay", "retryUntil", "timeoutAt", "uniqueFor":
		return kind == phpNull || kind == phpInt || kind == phpFloat || kind == phpObject
	case "tries", "timeout", "retryAfter", "maxExceptions":
		return kind == phpNull || kind == phpInt
	case "backoff":
		return kind == phpNull || kind == phpInt || kind == phpArray || kind == phpString
	case "middleware", "chained", "chainCatchCallbacks", "deduplicator":
		return kind == phpNull || kind == phpArray || kind == phpObject
	case "afterCommit", "failOnTimeout", "deleteWhenMissingModels", "shouldBeEncrypted":
		return kind == phpNull || kind == phpBool
	case "job":
		return isQueueJob(e.Value)
	}
	return false
}

// isQueueJob reports whether v is null or what Laravel's worker hands to a job that uses InteractsWithQueue.
func isQueueJob(v *phpValue) bool {
	return v.Kind == phpNull || v.Kind == phpObject && strings.HasPrefix(v.Class, `Illuminate\Queue\Jobs\`)
}

// isBroadcastProperty is isLaravelProperty for an event that is broadcast: it excludes the broadcast's connection and queue, too.
func isBroadcastProperty(e phpEntry) bool {
	switch e.Key {
	case "broadcastQueue":
		return e.Owner == "" && (e.Value.Kind == phpNull || e.Value.Kind == phpString)
	case "broadcastConnection":
		return e.Owner == phpProtected
	}
	return isSocketProperty(e) || isLaravelProperty(e)
}

// isSocketProperty is isLaravelProperty for the event of a listener: InteractsWithSockets keeps the socket that a broadcast skips.
func isSocketProperty(e phpEntry) bool {
	return e.Key == "socket" && e.Owner == "" && (e.Value.Kind == phpNull || e.Value.Kind == phpString)
}
