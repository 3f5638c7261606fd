package queue

import "errors"

// BuryReason is why a job was buried.
type BuryReason uint8

// The reasons.
const (
	BuryAttempts       BuryReason = iota // its last attempt failed
	BuryUnreadable                       // its body cannot be read
	BuryUnknownCommand                   // its command is not registered
	BuryPermanent                        // its handler returned a permanent error
	BuryCrashes                          // it may be what crashes the process
	BuryService                          // the service buried it instead of releasing it
	buryReasons                          // how many there are
)

// String returns the reason as the metrics name it.
func (r BuryReason) String() string {
	return [buryReasons]string{
		BuryAttempts:       "attempts",
		BuryUnreadable:     "unreadable",
		BuryUnknownCommand: "unknown_command",
		BuryPermanent:      "never",
		BuryCrashes:        "crashes",
		BuryService:        "service",
	}[r]
}

// buryReason returns the reason for which a job with an error is buried.
func buryReason(err error) BuryReason {
	switch {
	case errors.Is(err, errCrashes):
		return BuryCrashes
	case errors.Is(err, ErrBuried):
		return BuryService
	case errors.Is(err, errUnreadable):
		return BuryUnreadable
	case errors.Is(err, ErrUnknownCommand):
		return BuryUnknownCommand
	case errors.Is(err, ErrPermanent):
		return BuryPermanent
	default:
		return BuryAttempts
	}
}
