package spec

import (
	"fmt"
	"net/http"
	"net/url"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/handshake"
	"perigee/engine/script/api"
)

// requestOf returns the request with which a client of a spec connects: GET / without the option request.
func requestOf(fields *lua.LTable) (*handshake.Request, error) {
	option, err := api.Option[*lua.LTable](fields, "request", "a table")
	if err != nil {
		return nil, err
	}
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Host: "localhost", Header: http.Header{}}
	if option == nil {
		return handshake.Read(r, nil, ""), nil
	}
	if err := api.CheckOptions(option, "path", "query", "headers", "cookies", "origin", "user_agent", "protocols"); err != nil {
		return nil, err
	}
	for name, set := range map[string]func(text string){
		"path": func(text string) { r.URL.Path = text }, "origin": func(text string) { r.Header.Set("Origin", text) },
		"user_agent": func(text string) { r.Header.Set("User-Agent", text) },
	} {
		text, err := api.Option[lua.LString](option, name, "a string")
		if err != nil {
			return nil, err
		}
		if text != "" {
			set(string(text))
		}
	}
	query := url.Values{}
	for name, set := range map[string]func(key, text string){
		"query": query.Set, "headers": r.Header.Set, "cookies": func(key, text string) { r.AddCookie(&http.Cookie{Name: key, Value: text}) },
	} {
		if err := eachText(option, name, set); err != nil {
			return nil, err
		}
	}
	r.URL.RawQuery = query.Encode()
	protocols, err := api.Roles(option.RawGetString("protocols"))
	if err != nil {
		return nil, fmt.Errorf("protocols %w", err)
	}
	return handshake.Read(r, protocols, ""), nil
}

// eachText calls set with each name and text of an option that is a table.
func eachText(option *lua.LTable, name string, set func(key, text string)) error {
	t, err := api.Option[*lua.LTable](option, name, "a table")
	if err != nil || t == nil {
		return err
	}
	for key, v := range members(t) {
		if text, ok := v.(lua.LString); ok && key.Type() == lua.LTString {
			set(key.String(), string(text))
			continue
		}
		return fmt.Errorf("%s must have names and strings, found a %s at %s", name, v.Type(), key)
	}
	return nil
}
