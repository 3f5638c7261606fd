-- Metatables: every event, inheritance, comparison, raw access.
print("arithmetic")
local meta = {}
local function new(v) return setmetatable({ v = v }, meta) end
local function val(o) return type(o) == "table" and o.v or o end
for _, name in ipairs({ "add", "sub", "mul", "div", "mod", "pow" }) do
  meta["__" .. name] = function(a, b) return name .. "(" .. tostring(val(a)) .. "," .. tostring(val(b)) .. ")" end
end
local a, b = new("a"), new("b")
print(a + b, a - b, a * b, a / b, a % b, a ^ b)
print(a + 1, 1 + a, a + "1", "1" + a, "x" + a, a + "x", nil == (a + nil))
print(a - 1, 1 - a, "1" - a, 0 - a, 2 ^ a, a ^ 2, 5 % a, a % "5", 10 / a, 3 * a)
meta.__unm = function(x, y) return "unm " .. x.v .. " " .. tostring(rawequal(x, y)) end
print(-a, -b)
print(-setmetatable({}, { __unm = function(...) return select("#", ...) end }))
meta.__concat = function(x, y) return "concat(" .. tostring(val(x)) .. "," .. tostring(val(y)) .. ")" end
print(a .. b, a .. "x", "x" .. a, 1 .. a, a .. 1, a .. b .. "x", "x" .. "y" .. a, "x" .. a .. "y")
print(pcall(function() return a .. nil end))
print(pcall(function() return nil .. nil end))
local first = setmetatable({}, { __add = function() return "first" end })
local second = setmetatable({}, { __add = function() return "second" end })
print(first + second, second + first, first + 1, 1 + second, {} == nil or pcall(function() return {} + {} end))
print(setmetatable({}, { __add = function() return 1, 2, 3 end }) + 1)
print(pcall(function() return first - 1 end))

print("comparison")
local order = {}
order.__lt = function(x, y) return x.v < y.v end
order.__eq = function(x, y) return x.v == y.v end
local function ordered(v) return setmetatable({ v = v }, order) end
print(ordered(1) < ordered(2), ordered(1) > ordered(2), ordered(1) <= ordered(1), ordered(2) >= ordered(3))
print(ordered(1) == ordered(1), ordered(1) ~= ordered(1), ordered(1) == ordered(2), ordered(1) == 1, 1 == ordered(1))
order.__le = function(x, y) return "le" end
print(ordered(5) <= ordered(1), ordered(1) >= ordered(5))
print(rawequal(ordered(1), ordered(1)))
print(pcall(function() return ordered(1) < 1 end))
print(pcall(function() return ordered(1) < setmetatable({}, { __lt = function() return true end }) end))
print(setmetatable({}, { __eq = function() return true end }) == setmetatable({}, { __eq = function() return true end }))
local same = { __lt = function() return nil end, __eq = function() return 1 end }
print(setmetatable({}, same) < setmetatable({}, same), setmetatable({}, same) == setmetatable({}, same))

print("index and newindex")
local class = { kind = "class" }
class.__index = class
local object = setmetatable({}, class)
print(object.kind, object.none, rawget(object, "kind"))
object.kind = "own"
print(object.kind, class.kind)
local log = {}
local proxy = setmetatable({}, {
  __index = function(t, k) log[#log + 1] = "get " .. tostring(k) return k end,
  __newindex = function(t, k, v) log[#log + 1] = "set " .. tostring(k) rawset(t, k, v) end,
})
print(proxy.x, proxy[1], proxy[true])
proxy.y = 5
proxy.y = 6
print(proxy.y, table.concat(log, ";"))
local target = {}
local writer = setmetatable({}, { __newindex = target })
writer.a = 1
print(rawget(writer, "a"), target.a)
local chain = setmetatable({}, { __index = setmetatable({ b = "b" }, { __index = setmetatable({ c = "c" }, { __index = function(_, k) return k .. "?" end }) }) })
print(chain.b, chain.c, chain.d)
print(pcall(function() local t = setmetatable({}, { __newindex = function() error("read-only", 0) end }) t.x = 1 end))
print(setmetatable({}, { __index = function() return 1, 2 end }).x)
print(rawset(setmetatable({}, { __newindex = error }), "a", 1).a)
local loop = {}
setmetatable(loop, { __index = loop })
print(pcall(function() return loop.x end) == false)

print("call, tostring, metatable, len")
local callable = setmetatable({}, { __call = function(self, x, ...) return x, select("#", ...) end })
print(callable(1, 2, 3))
print(callable("x"))
print(tostring(setmetatable({}, { __tostring = function() return "shown" end })))
print(pcall(tostring, setmetatable({}, { __tostring = function() error("e", 0) end })))
print(getmetatable(setmetatable({}, { __metatable = "locked" })), pcall(setmetatable, setmetatable({}, { __metatable = 1 }), nil))
print(getmetatable({}), getmetatable(1), getmetatable(nil), getmetatable(print))
local plain = {}
print(setmetatable(plain, nil) == plain, getmetatable(setmetatable(plain, meta)) == meta)
print(#setmetatable({ 1, 2 }, {}), rawequal(plain, plain), rawequal("a", "a"), rawequal(1, "1"))

print("inheritance")
local Base = {} Base.__index = Base
function Base.new(x) return setmetatable({ x = x }, Base) end
function Base:get() return self.x end
function Base:name() return "base" end
local Derived = setmetatable({}, { __index = Base }) Derived.__index = Derived
function Derived.new(x) local o = Base.new(x) return setmetatable(o, Derived) end
function Derived:name() return "derived of " .. Base.name(self) end
local d = Derived.new(5)
print(d:get(), d:name(), d.none)

print("iterators")
local mt = { __call = function(state, _, k) return next(state.t, k) end }
local n = 0
for k, v in setmetatable({ t = { 5, 6 } }, mt) do n = n + k * v end
print(n)
print("global access")
setmetatable(_G, { __index = function(_, k) return "global " .. k end, __newindex = function(t, k, v) rawset(t, k, v .. "!") end })
print(undefined)
defined = "x"
print(defined)
setmetatable(_G, nil)
defined = nil
