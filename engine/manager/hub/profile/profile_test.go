package profile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// A profile keeps one notification a sender, and only the latest hundred.
func TestNotifications(t *testing.T) {
	p := New()
	p.Notify("a", time.Now())
	first := p.notifications[0].uuid
	p.Notify("b", time.Now())
	p.Notify("a", time.Now())
	if len(p.notifications) != 2 || p.notifications[0].uuid == first {
		t.Errorf("after a, b, a: %v, want two, a's a new one", p.notifications)
	}
	for i := range maxNotifications {
		p.Notify(fmt.Sprint(i), time.Now())
	}
	if len(p.notifications) != maxNotifications || p.notifications[0].sender != "0" {
		t.Errorf("after many: %d from %s on, want %d from 0 on", len(p.notifications), p.notifications[0].sender, maxNotifications)
	}
	if !p.Dismiss() || p.Dismiss() {
		t.Error("Dismiss twice does not report that only the first removes something")
	}
	if got, err := p.Notifications().AppendJSON(nil); string(got) != "{}" || err != nil {
		t.Errorf("after Dismiss: %s, %v, want {}", got, err)
	}
}

// The size of a client's fields is limited, that of each and of all together; a field that is refused changes nothing. A table
// that grows after it was set is refused when the client is encoded.
func TestAttributeBounds(t *testing.T) {
	p := New()
	text := func(size int) wire.Value { return wire.Raw(`"` + strings.Repeat("x", size) + `"`) }
	must := func(_ bool, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("got %v, want no error", err)
		}
	}
	if _, err := p.SetAttribute("a", text(64<<10)); err == nil || !strings.Contains(err.Error(), "64 KiB") || p.Attribute("a") != nil {
		t.Errorf("SetAttribute of more than 64 KiB = %v, kept %t, want an error, and nothing kept", err, p.Attribute("a") != nil)
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		must(p.SetAttribute(name, text(60<<10)))
	}
	must(p.SetAttribute("a", text(61<<10))) // replaces the first
	if _, err := p.SetAttribute("e", text(60<<10)); err == nil || !strings.Contains(err.Error(), "256 KiB") || p.Attribute("e") != nil {
		t.Errorf("SetAttribute of the fifth 60 KiB = %v, kept %t, want an error, and nothing kept", err, p.Attribute("e") != nil)
	}
	must(p.SetAttribute("b", nil))
	must(p.SetAttribute("e", text(60<<10)))
	p.attributes[0].value = text(bind.MaxRow)
	if _, err := p.AppendAttributes(nil); err == nil || !strings.Contains(err.Error(), "1024 KiB") {
		t.Errorf("AppendAttributes of a field that has grown = %v, want that it is more than 1024 KiB", err)
	}
}
