-- Calls: arguments, results, methods, tail calls, recursion, callable tables.
print("adjusting")
local function two() return 1, 2 end
local function none() end
print(two(), two())
print((two()))
print(two(), nil)
print(none())
print((none()))
print(type(none) == "function", select("#", none()), select("#", (none())))
local a, b, c = two()
print(a, b, c)
a, b, c = 0, two()
print(a, b, c)
a, b, c = two(), 10
print(a, b, c)
print(#{ two(), two() }, #{ two(), (two()) }, #{ two(), nil })
print(pcall(none, 1, 2, 3))

print("parameters")
local function f(x, y) return x, y end
print(f(1))
print(f(1, 2, 3))
local function shadow(x) x = x or "default" return x end
print(shadow(), shadow(5), shadow(false))

print("methods")
local object = { n = 0 }
function object:add(n) self.n = self.n + n return self end
function object.sub(self, n) self.n = self.n - n return self end
print(object:add(5):sub(2).n)
object.deep = { er = {} }
function object.deep.er:name() return self == object.deep.er end
function object.deep.er.plain(...) return select("#", ...) end
print(object.deep.er:name(), object.deep.er.plain(), object.deep.er:plain())
print(("x"):rep(3), ("%d"):format(7), #("abc"):upper())
local s = "text"
print(s:len(), s:sub(2, 3):byte())

print("call syntax")
local function kind(v) return type(v) end
print(kind"s", kind's', kind[[s]], kind{}, kind{ 1 }, (kind(1)))
local function curry(v) return function(w) return v .. w end end
print(curry"a""b", curry"a"[[b]])

print("tail calls")
local function loop(n) if n > 0 then return loop(n - 1) end return "done" end
print(loop(30000))
local function even(n) if n == 0 then return true end return require == nil and false or odd(n - 1) end
function odd(n) if n == 0 then return false end return even(n - 1) end
print(even(20), even(7))
local t = {}
function t:down(n) if n > 0 then return self:down(n - 1) end return n end
print(t:down(30000))

print("recursion")
local function sum(n) if n == 0 then return 0 end return n + sum(n - 1) end
print(sum(100), sum(1000), sum(15000))
local function fact(n) if n == 0 then return 1 end return n * fact(n - 1) end
print(fact(5), fact(20))
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(fib(15))
print(pcall(function() local function g() return 1 + g() end return g() end) == false)
print(select("#", pcall(function() local function g(...) return g(1, ...) end end)))

print("callable tables")
local callable = setmetatable({}, { __call = function(self, ...) return self ~= nil, select("#", ...), ... end })
print(callable(1, 2, 3))
print(callable())
print(pcall(callable, "x"))
local wrapped = setmetatable({}, { __call = function(_, f, ...) return f(...) end })
print(wrapped(math.max, 3, 9, 4))
print(pcall(setmetatable({}, { __call = 5 })))

print("functions as values")
local list = { function() return 1 end, [2] = function() return 2 end, x = function(v) return v end }
print(list[1](), list[2](), list.x("x"), (function(...) return ... end)(7, 8))
print(two == two, two == function() end, tostring(two):match("^function") ~= nil)
do
  local recursive
  recursive = function(n) return n == 0 and "end" or recursive(n - 1) end
  print(recursive(3))
end
local function outer() return (function() return (function() return "inner" end)() end)() end
print(outer())

print("unpack")
print(unpack({ 1, 2, 3 }))
print(unpack({ 1, nil, 3 }, 1, 3))
print(unpack({}, 1, 3))
print(unpack({ 1, 2 }, 2), unpack({ 1, 2 }, 3))
print(select("#", unpack({}, 1, 200)), select(-1, unpack({ 1, 2, 9 })))
print(pcall(unpack))
