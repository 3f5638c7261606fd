package body

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Values of "job" that Laravel writes for its own worker.
const (
	callQueuedHandler  = `Illuminate\Queue\CallQueuedHandler@call`  // an object
	callQueuedListener = `Illuminate\Events\CallQueuedHandler@call` // a listener, before Laravel 5.4
	queueClosure       = "IlluminateQueueClosure"                   // a closure, before Laravel 5.3
)

// encrypted is how Laravel's encrypted texts begin: with the Base64 of {".
const encrypted = "eyJ"

var errClosure = errors.New("the job is a closure, which is PHP code: dispatch an object of a class instead")

// callQueuedHandler reads {"commandName": the class, "command": the serialized object}.
func (b *Body) callQueuedHandler(data []byte) error {
	var command string
	if err := members(data, func(name string, value jsontext.Value) {
		if name == "command" {
			command = stringOf(value)
		}
	}); err != nil || command == "" {
		return errors.New(`the job is Laravel's, but its "data" has no "command"`)
	}
	switch {
	case strings.HasPrefix(command, encrypted):
		return errors.New("the job is encrypted with the Laravel application's key: " +
			"dispatch it without ShouldBeEncrypted, or to a queue of Laravel's own worker")
	case !strings.HasPrefix(command, "O:") && !strings.HasPrefix(command, "C:"):
		return errors.New(`the job is Laravel's, but its "command" is not a serialized PHP object`)
	}
	v, err := unserialize([]byte(command))
	if err != nil {
		return fmt.Errorf("the job's PHP object cannot be read: %w", err)
	}
	return b.command(v)
}

// command reads the object that Laravel's worker would run.
func (b *Body) command(v *phpValue) error {
	if v.Kind == phpCustom {
		if v.Inner == nil || v.Inner.Kind != phpArray {
			return errors.New("the job's class implements Serializable, so only its PHP code can read the job: " +
				"use __serialize instead")
		}
		v = &phpValue{Kind: phpObject, Class: v.Class, Entries: v.Inner.Entries}
	}
	if err := checkSupported(v); err != nil {
		return err
	}
	switch v.Class {
	case `Illuminate\Events\CallQueuedListener`:
		return b.listener(textOf(v.property("class")), textOf(v.property("method")), v.property("data"))
	case `Illuminate\Broadcasting\BroadcastEvent`:
		event := v.property("event")
		if event == nil || event.Kind != phpObject {
			return errors.New("the job broadcasts an event, but contains none")
		}
		return b.object(event, isBroadcastProperty)
	}
	return b.object(v, isLaravelProperty)
}

// checkSupported returns an error if only Laravel's own worker can run a job.
func checkSupported(v *phpValue) error {
	const remedy = ": dispatch it to a queue of Laravel's own worker"
	switch v.Class {
	case `Illuminate\Queue\CallQueuedClosure`:
		return errClosure
	case `Illuminate\Mail\SendQueuedMailable`:
		return errors.New("the job is a mail" + remedy)
	case `Illuminate\Notifications\SendQueuedNotifications`:
		return errors.New("the job is a Laravel notification" + remedy)
	case `Illuminate\Foundation\Console\QueuedCommand`:
		return errors.New("the job is an artisan command" + remedy)
	case `Illuminate\Bus\ChainedBatch`:
		return errors.New("the job is a batch" + remedy)
	}
	for _, e := range v.Entries {
		switch {
		case e.Owner != "":
		case e.Key == "chained" && e.Value.Kind == phpArray && len(e.Value.Entries) > 0:
			return errors.New("other jobs are chained to the job, and only Laravel's own worker dispatches them: " +
				"dispatch them one by one, or the chain to a queue of that worker")
		case e.Key == "batchId" && e.Value.Kind != phpNull:
			return errors.New("the job belongs to a batch, which only Laravel's own worker tracks: " +
				"dispatch it by itself, or the batch to a queue of that worker")
		}
	}
	return nil
}

// object reads a job, or an event that is broadcast: its class is the command, its own properties are the arguments.
func (b *Body) object(v *phpValue, isLaravelProperty func(phpEntry) bool) (err error) {
	if err := b.setClass(v.Class, ""); err != nil {
		return err
	}
	b.Arguments, err = objectJSON(ownProperties(v, isLaravelProperty))
	return err
}

// listener reads the call of a listener: its class is the command. If data is a list of one event, the event's properties are the
// arguments; else the list itself is.
func (b *Body) listener(class, method string, data *phpValue) (err error) {
	if class == "" {
		return errors.New("the job calls a listener, but does not name it")
	}
	if err := b.setClass(class, method); err != nil {
		return err
	}
	if data != nil && data.Kind == phpString { // serialized separately before Laravel 5.4
		if data, err = unserialize([]byte(data.Text)); err != nil {
			return fmt.Errorf("the job's event cannot be read: %w", err)
		}
	}
	if data == nil || !data.isList() || len(data.Entries) == 0 {
		return nil
	}
	if first := data.Entries[0].Value; len(data.Entries) == 1 && first.Kind == phpObject {
		b.Arguments, err = objectJSON(ownProperties(first, isSocketProperty))
		return err
	}
	b.Arguments, err = listJSON(data)
	return err
}

// callQueuedListener reads {"class", "method", "data": serialized}.
func (b *Body) callQueuedListener(data []byte) error {
	var class, method string
	event := &phpValue{Kind: phpString}
	if err := members(data, func(name string, value jsontext.Value) {
		switch name {
		case "class":
			class = stringOf(value)
		case "method":
			method = stringOf(value)
		case "data":
			event.Text = stringOf(value)
		}
	}); err != nil {
		return errors.New(`the job calls a listener, but its "data" is not an object`)
	}
	return b.listener(class, method, event)
}

// textOf returns "" if v is not a string.
func textOf(v *phpValue) string {
	if v == nil || v.Kind != phpString {
		return ""
	}
	return v.Text
}
