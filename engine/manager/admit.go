package manager

import "perigee/engine/auth"

// Admit tells whether a program at peer that knows this password may run commands. Whoever answers that it may not, waits
// for [auth.FailureDelay] first. Any goroutine may call it.
func (m *Manager) Admit(peer auth.Peer, password string) bool {
	return m.opens(m.programs, peer, password)
}

// opens tells whether a password is the key, and counts it against the address where it is not. A direct peer is never locked
// out: all programs of this machine have one address, and each failure costs a pause. who goes into the log. Any goroutine
// may call it.
func (m *Manager) opens(throttle *auth.Throttle, peer auth.Peer, password string, who ...any) bool {
	now := m.loop.Now()
	if !peer.Direct && !throttle.Allow(peer.Addr, now) {
		return false
	}
	key := m.key.Load()
	if key.Matches(password) && (peer.Direct || !key.IsDefault()) {
		return true
	}
	throttle.Fail(peer.Addr, now)
	why := "not the key"
	if key.IsDefault() && !peer.Direct {
		why = "a key that everybody knows is good for clients on this machine only, without a proxy"
	}
	m.log.Warn("manager: authentication failed", append(who, "ip_address", peer.Addr, "reason", why)...)
	return false
}
