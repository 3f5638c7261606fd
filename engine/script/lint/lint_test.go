package lint

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"perigee/engine/script/compile"
)

// known is a small server.
func known() Known {
	client := &Table{Name: "client", Attributes: true, Members: map[string]string{
		"uuid": "string", "name": "string?", "send": "(name: string, fields?: table)",
	}}
	connections := &Table{Name: "connections", Members: map[string]string{
		"each":   "(fn: fun(client: perigee.Client))\n(): fun(): perigee.Client?",
		"random": "(): perigee.Client?",
	}}
	return Known{
		Globals: map[string]*Table{
			"_G": Globals(), "print": nil, "unpack": nil, "require": nil, "pairs": nil, "rawset": nil, "setmetatable": nil,
			"string": {Name: "string", Members: map[string]string{"format": "", "rep": ""}},
			"table":  {Name: "table", Members: map[string]string{"insert": ""}},
			"math":   {Name: "math", Members: map[string]string{"modf": ""}},
		},
		Modules: map[string]*Table{"server": {Name: "server", Members: map[string]string{
			"message":     "(name: string, options: perigee.MessageOptions, handler?: fun(client: perigee.Client, message: table))",
			"command":     "(name: string, fn: fun(arguments: any): any)",
			"broadcast":   "(name: string, fields?: table)",
			"connections": "(): perigee.Connections",
			"fetch":       "(url: string): perigee.Response?, string?",
			"config":      "table",
		}}},
		Classes: map[string]*Table{
			"Client": client, "Connections": connections,
			"MessageOptions": {Name: "MessageOptions", Members: map[string]string{"authorize": "fun(client: perigee.Client, message: table): boolean?"}},
			"Response":       {Name: "response", Data: true, Members: map[string]string{"body": "string", "json": "(): any"}},
		},
		Manager: "manager",
		Hooks:   map[string]string{"open": "(client: perigee.Client)", "close": "(client: perigee.Client, reason: string)"},
		Instead: func(name string) string {
			return map[string]string{
				"table.unpack": "Lua 5.1 has it as unpack", "math.mod": "math.fmod is its name", "setfenv": "hand a function the values that it needs",
			}[name]
		},
	}
}

// findings returns what Check finds in a script, without the name of the file.
func findings(sources ...string) (found []string) {
	var all []Source
	for i, text := range sources {
		all = append(all, Source{fmt.Sprintf("%d.lua", i), []byte(text)})
	}
	for _, f := range Check(known(), all) {
		text := strings.TrimPrefix(f.Place(), "0.lua:") + ": " + f.Problem
		if f.Similar != "" {
			text += "; did you mean " + f.Similar + "?"
		}
		found = append(found, text)
	}
	return found
}

const server = `local server = require "server"` + "\n"

func TestFindings(t *testing.T) {
	for text, want := range map[string]string{
		"print(cuont)":                                     "1:7: undefined global cuont",
		"local count = 1\nprint(cuont)":                    "2:7: undefined global cuont; did you mean count?",
		"pritn('x')":                                       "1:1: undefined global pritn; did you mean print?",
		"do local a = 1 end print(a)":                      "1:26: undefined global a",
		"local a = a":                                      "1:11: undefined global a",
		"for i = 1, 2 do end print(i)":                     "1:27: undefined global i",
		"repeat local x = 1 until x print(x)":              "1:34: undefined global x",
		"string.fromat('x')":                               "1:8: there is no string.fromat; did you mean string.format?",
		"string['fromat']('x')":                            "1:8: there is no string.fromat; did you mean string.format?",
		"local f = table.unpack":                           "1:17: there is no table.unpack: Lua 5.1 has it as unpack",
		"print(math.mod(5, 3))":                            "1:12: there is no math.mod: math.fmod is its name",
		"setfenv(1, {})":                                   "1:1: undefined global setfenv: hand a function the values that it needs",
		"x = 1 local y = _G.z":                             "",
		server + "server.brodcast('X')":                    "2:8: there is no server.brodcast; did you mean server.broadcast?",
		server + "server\n  .brodcast('X')":                "3:4: there is no server.brodcast; did you mean server.broadcast?",
		server + "local s = server s.brodcast()":           "2:20: there is no server.brodcast; did you mean server.broadcast?",
		"require('server').brodcast('X')":                  "1:19: there is no server.brodcast; did you mean server.broadcast?",
		server + "server.broadcats = 1":                    "2:8: there is no server.broadcats; did you mean server.broadcast?",
		server + "server.connections():eachh()":            "2:22: there is no connections:eachh; did you mean connections:each?",
		server + "local a = server.x, server.y":            "2:18: there is no server.x|2:28: there is no server.y",
		server + "server.fetch('x'):jsn()":                 "2:19: there is no response:jsn; did you mean response:json?",
		server + "server.connections():random():sned('X')": "2:31: there is no client:sned; did you mean client:send?",
		server + "server.message('X', {}, function(client) client:sned('X') end)":                             "2:49: there is no client:sned; did you mean client:send?",
		server + "server.message('X', {}, function(client) print(client.nmae) end)":                           "2:55: there is no client.nmae; did you mean client.name?",
		server + "server.message('X', { authorize = function(c) return c:isAdmin() end })":                    "2:56: there is no client:isAdmin",
		server + "local function f(c) c:sned('X') end server.message('X', {}, f)":                             "2:23: there is no client:sned; did you mean client:send?",
		server + "local f = function(c) c:sned('X') end\nserver.message('X', {}, f)":                          "2:25: there is no client:sned; did you mean client:send?",
		server + "server.connections():each(function(c) c:sned('X') end)":                                     "2:41: there is no client:sned; did you mean client:send?",
		server + "for c in server.connections():each() do c:sned('X') end":                                    "2:43: there is no client:sned; did you mean client:send?",
		"local app = require('manager'):extend()\nfunction app:open(c) c:sned('X') end":                       "2:24: there is no client:sned; did you mean client:send?",
		"local app = require('manager'):extend() local b = app:extend()\nfunction b:close(c) c:sned('X') end": "2:23: there is no client:sned; did you mean client:send?",
		"if true then elseif undefined1 then else print(undefined2) end":                                      "1:21: undefined global undefined1|1:48: undefined global undefined2",
		"local t = { a = b, [c] = 'd', 'e', f }":                                                              "1:17: undefined global b|1:21: undefined global c|1:36: undefined global f",
		"print(#a .. -b + not c, (d), function(...) return arg, ... end)":                                     "1:8: undefined global a|1:14: undefined global b|1:22: undefined global c|1:26: undefined global d",
		"while a do b() end for k in c do d(k) end":                                                           "1:7: undefined global a|1:12: undefined global b|1:29: undefined global c|1:34: undefined global d",
	} {
		if got := strings.Join(findings(text), "|"); got != want {
			t.Errorf("findings in %s = %s, want %s", text, got, want)
		}
	}
}

// What a script defines, or may define, is not reported, nor anything of values about which nothing is known.
func TestNoFindings(t *testing.T) {
	for _, text := range []string{
		"x = 1 print(x)", "print(x) x = 1", "function f() end f()", "_G.x = 1 print(x)", "_G['x'] = 1 print(x)", "local g = _G g.x = 1 print(x)",
		"rawset(_G, 'x', 1) print(x)", "setmetatable(_G, {}) print(x)", "for k in pairs({}) do _G[k] = 1 end print(x)",
		"local function f() return f() end", "local f = function() return f() end", "local a, b = 1 print(a, b)",
		"local unpack = unpack or table.unpack", "if setfenv then setfenv(1, {}) end", "local u = table.unpack or x x = 1", "if not io then print(io) end",
		"function string.trim(s) return s end print(string.trim('x'))", "string.trim = 1 print(string.trim)",
		"local server = {} server.brodcast()", "local function f(server) server.brodcast() end",
		server + "server = {} server.brodcast()", server + "do local server = other() server.brodcast() end function other() end",
		server + "print(server.config.brodcast)", "local u = require 'util' u.anything() u:anything()",
		"local string = require 'util' string.anything()", "string = {} string.anything()",
		server + "server.command('X', function(arguments) arguments:sned() arguments.nmae() end)",
		server + "server.message('X', {}, function(client) client = {} client:sned() end)",
		server + "server.message('X', {}, function(client) client.score = 1 print(client.score, client.sc0re_of_game) end)",
		server + "server.message('X', {}, function(client) client.nmae = 1 print(client.nmae) end)",
		server + "server.message('X', {}, function(client, m) for k, v in pairs(m) do client[k] = v end print(client.nmae) end)",
		server + "local function f(c) c:sned('X') end server.message('X', {}, f) f({})",
		server + "local function f(c) c:sned('X') end server.message('X', {}, f) server.command('Y', f)",
		server + "local f = 1 f = function(c) c:sned('X') end server.message('X', {}, f)",
		server + "local r = server.fetch('x') r.parsed = 1 print(r.anything)",
		server + "local r = server.fetch('x') r.parse = function() end r:parse()",
		"local app = require('manager'):extend() app.anything = 1 app:anything() function app:boot() app:whatever() end",
		"local app = require('class'):extend() function app:open(c) c:sned('X') end",
		"local s = 'x' s:anything()", "print(('x'):rep(3))", "local arg = 1 print(arg)", "print(...)",
		"syntax error", "#!/usr/bin/lua\nx = 1 print(x)", "\ufeffprint('x')", "print [[x]] print 'y' -- undefined",
	} {
		if got := findings(text); got != nil {
			t.Errorf("findings in %s = %q, want none", text, got)
		}
	}
}

// The names and strings of every script of the repository are found in the order of its syntax tree, so that places have columns.
func TestColumns(t *testing.T) {
	files := 0
	for _, top := range []string{"scripts", "engine/testdata", "cmd/perigee/template"} {
		err := filepath.WalkDir(filepath.Join("..", "..", "..", top), func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(file) != ".lua" {
				return err
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			chunk, words, err := compile.Parse(file, text)
			if err != nil {
				return err
			}
			files++
			w := &walker{program: newProgram(known()), file: file, chunk: chunk, words: words}
			if w.run(); w.lost || w.next != len(w.words) {
				t.Errorf("%s: word %d of %d, %+v, is not where the syntax tree has it", file, w.next, len(w.words), w.words[min(w.next, len(w.words)-1)])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 20 {
		t.Errorf("%d files, want all of the repository", files)
	}
}

// Globals that one script defines exist in the others; a suggestion may come from there.
func TestFindingsInSeveralScripts(t *testing.T) {
	got := findings("print(count, cuont)", "count = 1", "print(count)")
	if want := []string{"1:14: undefined global cuont; did you mean count?"}; !slices.Equal(got, want) {
		t.Errorf("findings = %q, want %q", got, want)
	}
}
