package queue

import "errors"

// Cause is why a job was buried.
type Cause uint8

// Why jobs are buried.
const (
	CauseAttempts   Cause = iota // it failed as often as it may be tried
	CauseUnreadable              // its body
	CauseUnknown                 // nobody has the command
	CauseNever                   // another attempt would not help, for what the handler knows
	CauseCrashes                 // it is what ends the server, maybe
	CauseService                 // the service buried it when it was to be tried again
	causes                       // how many there are
)

// String is the cause as a word.
func (c Cause) String() string {
	return [causes]string{
		CauseAttempts:   "attempts",
		CauseUnreadable: "unreadable",
		CauseUnknown:    "unknown_command",
		CauseNever:      "never",
		CauseCrashes:    "crashes",
		CauseService:    "service",
	}[c]
}

// causeOf tells why a job was buried, from the error that says so.
func causeOf(err error) Cause {
	switch {
	case errors.Is(err, errCrashes):
		return CauseCrashes
	case errors.Is(err, ErrBuried):
		return CauseService
	case errors.Is(err, errUnreadable):
		return CauseUnreadable
	case errors.Is(err, ErrUnknown):
		return CauseUnknown
	case errors.Is(err, ErrPermanent):
		return CauseNever
	default:
		return CauseAttempts
	}
}
