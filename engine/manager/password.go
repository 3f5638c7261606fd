package manager

import "perigee/engine/auth"

// CheckPassword returns what a program at peer that sends this password may do; ok is false for a wrong password. A caller that
// refuses it must wait for [auth.FailureDelay] first. It is safe for concurrent use.
func (m *Manager) CheckPassword(peer auth.Peer, password string) (grant auth.Grant, ok bool) {
	return m.checkPassword(m.programThrottle, *m.programKeys.Load(), peer, password)
}

// AuthFailures returns how many passwords of clients and of programs were refused. It is safe for concurrent use.
func (m *Manager) AuthFailures() (clients, programs uint64) {
	return m.clientThrottle.Refused(), m.programThrottle.Refused()
}

// checkPassword returns what a password allows, as the admin key or as that of a program, and counts a failure against the address.
// A direct peer is never locked out, since all programs of this machine have one address and each failure costs a pause. logFields
// go into the log. It is safe for concurrent use.
func (m *Manager) checkPassword(throttle *auth.Throttle, programs []auth.ProgramKey, peer auth.Peer, password string, logFields ...any) (auth.Grant, bool) {
	now := m.loop.Now()
	if !peer.Direct && !throttle.Allow(peer.Addr, now) {
		return auth.Grant{}, false
	}
	key := m.key.Load()
	grant, found := auth.FindGrant(programs, password)
	switch {
	case key.Matches(password) && (peer.Direct || !key.IsDefault()):
		return auth.AdminGrant(), true
	case found:
		return grant, true
	}
	throttle.Fail(peer.Addr, now)
	reason := "incorrect key"
	if key.IsDefault() && !peer.Direct {
		reason = "a well-known key is accepted only from clients on this machine that connect without a proxy"
	}
	m.log.Warn("manager: authentication failed", append(logFields, "ip_address", peer.Addr, "reason", reason)...)
	return auth.Grant{}, false
}
