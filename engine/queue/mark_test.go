package queue_test

import (
	"errors"
	"strings"
	"testing"

	"perigee/engine/queue"
)

// The errors of jobs are told apart, and their texts are only what is wrong.
func TestMarkedErrors(t *testing.T) {
	cause := errors.New("it is spoilt")
	for _, row := range []struct {
		err        error
		unreadable bool
	}{
		{queue.Permanent(cause), false},
		{queue.Unreadable(cause), true},
	} {
		if row.err.Error() != cause.Error() || !errors.Is(row.err, cause) || !errors.Is(row.err, queue.ErrPermanent) || errors.Is(row.err, queue.ErrUnreadable) != row.unreadable {
			t.Errorf("%#v reads %q, permanent: %v, unreadable: %v", row.err, row.err, errors.Is(row.err, queue.ErrPermanent), errors.Is(row.err, queue.ErrUnreadable))
		}
	}
	if _, err := queue.ReadBody([]byte(`{"job":"Keep","data":[5]}`), nil); err == nil || strings.Contains(err.Error(), "queue: ") {
		t.Errorf("ReadBody of a list = %v, want an error without the name of the package", err)
	}
}
