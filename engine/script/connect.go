package script

import (
	"fmt"
	"net/http"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/auth"
	"perigee/engine/handshake"
	"perigee/engine/script/api"
)

// connectPlace returns where the connect hook is defined; "" if that is not known.
func (h *hooks) connectPlace() string {
	hook, _ := h.functions["connect"].(*lua.LFunction)
	file, line := api.DefinedAt(hook)
	if file == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// raiseConnect raises an error about what the connect hook did, at the place of its definition.
func (h *hooks) raiseConnect(L *lua.LState, format string, args ...any) {
	problem := "the connect hook " + fmt.Sprintf(format, args...)
	if place := h.connectPlace(); place != "" {
		problem = place + ": " + problem
	}
	L.Error(lua.LString(problem), 0)
}

// warnOfFields warns once of each field that the connect hook has returned under almost the name of one that decides who a client is.
func (h *hooks) warnOfFields(fields *lua.LTable) {
	fields.ForEach(func(k, _ lua.LValue) {
		name := k.String()
		if similar := similarField(name); similar != "" && !slices.Contains(h.warnedOfFields, name) {
			h.warnedOfFields = append(h.warnedOfFields, name)
			h.log.Warn("script: the connect hook returned a field whose name is similar to one of the server's",
				"place", h.connectPlace(), "field", name, "did_you_mean", similar)
		}
	})
}

// maxRefusal is how many bytes the reason of a refusal may have.
const maxRefusal = 1024

// refusals are the HTTP statuses with which a connect hook may refuse a request.
func refusals() []int {
	return []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable,
	}
}

// HasConnect reports whether the manager has a connect hook. Any goroutine may call it once the scripts have loaded.
func (h *hooks) HasConnect() bool { return h.functions["connect"] != nil }

// OnConnect calls the manager's connect hook before a request becomes a connection. It sets the fields of the connection, or returns
// why there must be none.
func (h *hooks) OnConnect(r *handshake.Request, peer auth.Peer, c Client) (*handshake.Refusal, error) {
	var refusal *handshake.Refusal
	fn := h.turns.lifetime.vm.State().NewFunction(func(L *lua.LState) int {
		for _, v := range []lua.LValue{h.functions["connect"], h.manager, h.clients.Request(r, peer.Addr)} {
			L.Push(v)
		}
		L.Call(2, 3)
		switch v := L.Get(-3).(type) {
		case *lua.LNilType:
		case *lua.LTable:
			h.clients.SetFields(L, c, v)
			h.warnOfFields(v)
		case lua.LBool:
			if !bool(v) {
				refusal = h.refusal(L, L.Get(-2), L.Get(-1))
			}
		default:
			h.raiseConnect(L, "returned a %s; it must return nothing, true, a table of fields, or false, a status and a reason", v.Type())
		}
		return 0
	})
	_, err := h.turns.call(&api.Call{Name: "manager:connect"}, fn)
	return refusal, err
}

// refusal returns the refusal that a connect hook has returned as a status and a reason. Without a status it is 403.
func (h *hooks) refusal(L *lua.LState, status, reason lua.LValue) *handshake.Refusal {
	refusal := &handshake.Refusal{Status: http.StatusForbidden}
	switch status := status.(type) {
	case *lua.LNilType:
	case lua.LNumber:
		refusal.Status = int(status)
	default:
		refusal.Status = 0
	}
	if !slices.Contains(refusals(), refusal.Status) {
		h.raiseConnect(L, "refused with the status %s; it must be 401, 403, 404, 429 or 503", status)
	}
	switch reason := reason.(type) {
	case *lua.LNilType:
	case lua.LString:
		refusal.Reason = string(reason[:min(len(reason), maxRefusal)])
	default:
		h.raiseConnect(L, "refused with a %s as the reason; it must be a string", reason.Type())
	}
	return refusal
}
