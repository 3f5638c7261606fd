package bind

import (
	"net/netip"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/handshake"
	"perigee/engine/script/api"
	"perigee/engine/wire"
)

// request is the Lua object of the request that opens a connection.
type request struct {
	*handshake.Request
	address netip.Addr
}

func (r *request) String() string { return "request " + r.Path() }

// AppendJSON appends what may be shown of a request: cookies, header fields and parameters can be secrets.
func (r *request) AppendJSON(dst []byte) ([]byte, error) {
	dst = wire.AppendString(append(dst, `{"ip_address":`...), r.address.String())
	dst = wire.AppendString(append(dst, `,"origin":`...), r.Header("origin"))
	dst = wire.AppendString(append(dst, `,"path":`...), r.Path())
	dst = wire.AppendString(append(dst, `,"user_agent":`...), r.Header("user-agent"))
	return append(dst, '}'), nil
}

// Request returns the Lua object of a request, or nil if it is unknown.
func (cs *Clients) Request(r *handshake.Request, address netip.Addr) lua.LValue {
	if r == nil {
		return lua.LNil
	}
	return api.NewObject(&request{r, address}, cs.requests)
}

// requestKind describes requests to scripts.
func (cs *Clients) requestKind() api.Kind {
	get := api.Getter[*request]
	table := func(name, doc string, values func(r *request) map[string]string) api.Field {
		return api.Field{Name: name, Type: "table<string, string>", Doc: doc, Get: get(func(r *request) lua.LValue {
			t := cs.state.CreateTable(0, 8)
			for key, v := range values(r) {
				t.RawSetString(key, lua.LString(v))
			}
			return t
		})}
	}
	return api.Kind{
		Name: "request", Class: "Request", Metatable: &cs.requests,
		Doc: "The HTTP request that opens a connection. Read-only; its tables are copies. In the log, and in a message, it shows only path, origin, ip_address and user_agent.",
		Fields: []api.Field{
			{Name: "path", Type: "string", Doc: "The path of the URL: /tables/7.", Get: get(func(r *request) lua.LValue { return lua.LString(r.Path()) })},
			table("query", "The parameters of the URL. Of a name that is there several times it is the first value.", func(r *request) map[string]string { return r.Query() }),
			table("headers", "The header fields by their name in lower case, without those of the WebSocket handshake. Fields that were sent several times are joined.", func(r *request) map[string]string { return r.Headers() }),
			table("cookies", "The cookies by their name.", func(r *request) map[string]string { return r.Cookies() }),
			{Name: "origin", Type: "string?", Doc: "The origin of the page that opens the connection; nil if no browser does.", Get: get(func(r *request) lua.LValue { return stringOrNil(r.Header("origin")) })},
			{Name: "ip_address", Type: "string", Doc: "The client's address.", Get: get(func(r *request) lua.LValue { return lua.LString(r.address.String()) })},
			{Name: "protocols", Type: "string[]", Doc: "The subprotocols that the client offers.", Get: get(func(r *request) lua.LValue { return list(r.Protocols()) })},
			{Name: "user_agent", Type: "string?", Doc: "What the client calls itself.", Get: get(func(r *request) lua.LValue { return stringOrNil(r.Header("user-agent")) })},
		},
	}
}
