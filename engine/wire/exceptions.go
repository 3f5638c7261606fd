package wire

import (
	"strconv"
	"strings"
)

// MessageException is the name of the message that tells a client of an [Exception].
const MessageException = "MessageException"

// Exception tells a client that the server could not carry out its request. Name and Code are part of the protocol and do not
// change. Message is a sentence for people and reveals nothing about the server.
type Exception struct {
	Name    string
	Code    int
	Message string
}

// InvalidMessage is for a frame that is not a JSON object with a name, or that exceeds a limit of JSON.
func InvalidMessage(message string) Exception { return Exception{"InvalidMessage", 400, message} }

// UnknownMessage is for a message that the application has not registered. similar is the name of one that it has; optional.
func UnknownMessage(name, similar string) Exception {
	e := Exception{"UnknownMessage", 404, "unknown message " + shorten(name)}
	if similar != "" {
		e.Message += "; did you mean " + similar + "?"
	}
	return e
}

// shorten returns a name from a client for use in a sentence.
func shorten(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	if clipped := clip(name, maxID); clipped != name {
		return clipped + "..."
	}
	return name
}

// NotAllowed is for an admin or a user whose message of this name is refused by the condition of the message.
func NotAllowed(name string) Exception {
	return Exception{"NotAllowed", 403, shorten(name) + " is not allowed now"}
}

// RoleMissing is for a user who has none of the roles that the message of this name asks for.
func RoleMissing(name string) Exception {
	return Exception{"NotAllowed", 403, shorten(name) + " needs another role"}
}

// InvalidFields is for a message whose fields do not match its declaration.
func InvalidFields(message string) Exception { return Exception{"InvalidFields", 422, message} }

// UnknownCommand is for a command that the application has not registered.
func UnknownCommand(name string) Exception {
	return Exception{"UnknownCommand", 404, "unknown command " + shorten(name)}
}

// Refused is for a request that the application has refused with server.refuse.
func Refused(reason string) Exception { return Exception{"Refused", 409, reason} }

// InvalidArguments is for a command whose arguments cannot be parsed, or do not match its schema.
func InvalidArguments(message string) Exception { return Exception{"InvalidArguments", 422, message} }

// ArgumentsTooLarge is for a command whose arguments have more than limit bytes.
func ArgumentsTooLarge(limit int64) Exception {
	return Exception{"ArgumentsTooLarge", 413, "arguments larger than " + strconv.FormatInt(limit, 10) + " bytes"}
}

// Unauthorized is for a program without the key.
func Unauthorized() Exception { return Exception{"Unauthorized", 401, "Authorization required."} }

// KeyNotAllowed is for a program whose key does not allow what it asks for.
func KeyNotAllowed() Exception { return Exception{"NotAllowed", 403, "this key does not allow that"} }

// ReadOnly is for an operator whose action the settings forbid.
func ReadOnly() Exception {
	return Exception{"ReadOnly", 403, "console.actions is false: the console shows, and changes nothing"}
}

// NotFound is for an operator who asks for something that does not exist.
func NotFound(message string) Exception { return Exception{"NotFound", 404, message} }

// Unavailable is for an operator who asks for something that the server does not have, or cannot reach.
func Unavailable(message string) Exception { return Exception{"Unavailable", 503, message} }

// ReloadFailed is for an operator whose reload has failed, or would fail. The previous scripts keep running.
func ReloadFailed(message string) Exception { return Exception{"ReloadFailed", 422, message} }

// Busy is for an operator who asks for what needs the loop, while a script holds it.
func Busy(message string) Exception { return Exception{"Busy", 503, message} }

// Stopping is for requests that come while the server shuts down.
func Stopping() Exception { return Exception{"Stopping", 503, "server shutting down"} }

// TooManyMessages is for a client that sends faster than its limits allow.
func TooManyMessages() Exception { return Exception{"TooManyMessages", 429, "too many messages"} }

// HandlerFailed is for an error in the application. The log line with the same reference has the details.
func HandlerFailed(reference string) Exception {
	return Exception{"HandlerFailed", 500, "internal error (ref " + reference + ")"}
}

// TooManyConnections is for a client that connects while the server is full.
func TooManyConnections() Exception { return Exception{"TooManyConnections", 503, "server is full"} }

// Fields returns the fields of the MessageException. previous is the id of the message that it answers. Optional.
func (e Exception) Fields(previous string) Fields {
	m := Members{{"exception", e.Name}, {"message", e.Message}, {"code", e.Code}}
	if previous != "" {
		m = append(m, Member{"previous", previous})
	}
	return m
}
