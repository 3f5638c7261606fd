package queue

import "errors"

// Reason is why a job was buried.
type Reason uint8

// Why jobs are buried.
const (
	ReasonAttempts   Reason = iota // it failed as often as it may be tried
	ReasonUnreadable               // its body
	ReasonUnknown                  // nobody has the command
	ReasonNever                    // another attempt would not help, for what the handler knows
	ReasonCrashes                  // it is what ends the server, maybe
	ReasonService                  // the service buried it when it was to be tried again
	reasons                        // how many there are
)

// String is the reason as a word.
func (r Reason) String() string {
	switch r {
	case ReasonAttempts:
		return "attempts"
	case ReasonUnreadable:
		return "unreadable"
	case ReasonUnknown:
		return "unknown_command"
	case ReasonNever:
		return "never"
	case ReasonCrashes:
		return "crashes"
	default:
		return "service"
	}
}

// reasonOf tells why a job was buried, from the error that says so.
func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, errCrashes):
		return ReasonCrashes
	case errors.Is(err, ErrBuried):
		return ReasonService
	case errors.Is(err, errUnreadable):
		return ReasonUnreadable
	case errors.Is(err, ErrUnknown):
		return ReasonUnknown
	case errors.Is(err, ErrNever):
		return ReasonNever
	default:
		return ReasonAttempts
	}
}
