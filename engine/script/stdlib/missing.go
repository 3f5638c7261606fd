package stdlib

import "strings"

// Absent are names of Lua 5.1, or of its later versions, that scripts do not find.
type Absent struct {
	Names   string // separated by spaces
	Instead string // what to write instead
}

// Missing returns the names that scripts do not find.
func Missing() []Absent {
	return []Absent{
		{"load loadstring", "code cannot be compiled at run time; keep functions in a table and choose one"},
		{"loadfile dofile", "require loads a file of the scripts"},
		{"module package", "a file returns its table, and require finds it"},
		{"getfenv setfenv", "hand a function the values that it needs, or a table of them"},
		{"newproxy", "setmetatable({}, ...) makes an object"},
		{"collectgarbage gcinfo", "memory is freed by itself, and lua.memory limits it"},
		{"io", "print and log write into the log, server.state keeps data, server.execute starts a program"},
		{"debug", "the log has the traceback of an error"},
		{"os.exit", "server.stop stops the server"},
		{"os.getenv", "server.config has the section [app] of server.toml"},
		{"os.execute os.remove os.rename os.tmpname", "server.execute starts a program that server.toml names"},
		{"os.setlocale", "texts and numbers are always those of the C locale"},
		{"string.dump", "a function cannot become a text"},
		{"string.gfind", "string.gmatch is its name"},
		{"math.mod", "math.fmod is its name"},
		{"table.getn", "#t is the length of a list"},
		{"table.setn", "a list is as long as its items"},
		{"table.foreach table.foreachi", "write for k, v in pairs(t) or ipairs(t)"},
		{"table.unpack", "Lua 5.1 has it as unpack"},
		{"table.pack", `write { n = select("#", ...), ... }`},
		{
			"utf8 bit32 string.pack string.unpack math.type math.tointeger math.maxinteger math.mininteger rawlen table.move",
			"Lua 5.1 does not have it",
		},
	}
}

// Instead returns what to write instead of a missing name, such as "io" or "os.exit"; "" for any other name.
func Instead(name string) string {
	for _, m := range Missing() {
		for missing := range strings.FieldsSeq(m.Names) {
			if missing == name {
				return m.Instead
			}
		}
	}
	return ""
}

// Differences returns what else is not as in Lua 5.1, in sentences for the authors of scripts.
func Differences() []string {
	return []string{
		"Whole numbers up to 2^53 are written in full (`1000000000000000`, where Lua 5.1 has `1e+15`), a zero without its sign, and NaN is `nan`. Other numbers have 14 digits, as in Lua 5.1; [`json.encode`](#jsonencode) writes as many as are needed to read the same number back.",
		"A number that would be rounded, such as `9007199254740993`, does not load. Strings such as `inf` and `nan` are not numbers.",
		"The libraries are read-only but for new names, and the metatable of strings is locked.",
		"`goto` is a reserved word. Zero bytes may stand in patterns and in `%s`.",
		"`assert` raises its message unchanged, whatever it is.",
		"An error of a library function that `pcall` has called directly has the place of the `pcall`, and the name of the function.",
		"A coroutine may begin with any function, and yield below any: within `pcall`, a metamethod, an iterator or the function of `gsub`.",
		"`#` asks `__len` of tables, too. A metamethod other than `__index` and `__newindex` must be a function.",
		"`%` gives the exact remainder: `5 % math.huge` is 5.",
		"A string has at most 16 MiB, a call at most 4,096 results, and a [list](README.md#limits) 1,048,575 items.",
		"The handler of `xpcall` runs after the function has ended. `next` accepts an index behind the end of a list.",
		"`math.random` draws numbers that nobody can predict, until `math.randomseed` is called.",
	}
}
