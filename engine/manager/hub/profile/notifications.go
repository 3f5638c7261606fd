package profile

import (
	"slices"
	"strconv"
	"time"

	"perigee/engine/wire"
)

// notification says that a sender pinged the connection.
type notification struct {
	uuid, sender string
	at           time.Time
}

// maxNotifications is how many notifications a connection keeps, the latest ones. Each sender can leave one, and each change
// sends all of them.
const maxNotifications = 100

// Notify stores a notification of a sender, in place of an earlier one.
func (p *Profile) Notify(sender string, at time.Time) {
	n := notification{uuid: wire.NewID(), sender: sender, at: at}
	i := slices.IndexFunc(p.notifications, func(old notification) bool { return old.sender == sender })
	if i >= 0 {
		p.notifications[i] = n
	} else {
		p.notifications = append(p.notifications, n)
	}
	if over := len(p.notifications) - maxNotifications; over > 0 {
		p.notifications = slices.Delete(p.notifications, 0, over)
	}
}

// Dismiss removes all notifications. It reports whether there were any.
func (p *Profile) Dismiss() bool {
	had := len(p.notifications) > 0
	p.notifications = nil
	return had
}

// Notifications returns the notifications, keyed by the sender.
func (p *Profile) Notifications() wire.Value { return notifications(p.notifications) }

// notifications encodes as an object keyed by the sender.
type notifications []notification

func (list notifications) AppendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, '{')
	for i, n := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, n.sender)
		dst = wire.AppendString(append(dst, `:{"sender":`...), n.sender)
		dst = strconv.AppendInt(append(dst, `,"timestamp":`...), n.at.Unix(), 10)
		dst = wire.AppendString(append(dst, `,"uuid":`...), n.uuid)
		dst = append(dst, '}')
	}
	return append(dst, '}'), nil
}
