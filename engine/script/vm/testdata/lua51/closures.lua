-- Closures: which variables they share, and until when.
print("own variables of each iteration")
local list = {}
for i = 1, 3 do list[i] = function(d) i = i + (d or 0) return i end end
print(list[1](), list[2](), list[3]())
print(list[1](10), list[1](), list[2]())
list = {}
for k, v in ipairs({ "a", "b" }) do list[k] = function() v = v .. k return v end end
print(list[1](), list[1](), list[2]())
local i = 1
while i <= 3 do
  local j = i
  list[i] = function() j = j + 1 return j end
  i = i + 1
end
print(list[1](), list[1](), list[3]())
i = 0
repeat
  local n = i
  list[i] = function() return n end
  i = i + 1
until n >= 2
print(list[0](), list[1](), list[2]())

print("shared variables")
local function counter()
  local n = 0
  return function() n = n + 1 return n end, function() n = 0 end, function() return n end
end
local up, reset, read = counter()
print(up(), up(), read(), reset(), read(), up())
local other = counter()
print(other(), other(), read())

print("variables that outlive an error")
local value = 1
local function set(v) value = v end
print(pcall(function() set(2) error("x", 0) end))
print(value)
set(3)
print(value)
local kept
print(pcall(function()
  local inner = "before"
  kept = function(v) inner = v or inner return inner end
  inner = "after"
  error("y", 0)
end))
print(kept(), kept("new"), kept())

print("variables that outlive a break")
local function find(t, want)
  local seen
  for k, v in pairs(t) do
    local copy = v
    if v == want then
      seen = function() copy = copy + 1 return k, copy end
      break
    end
  end
  return seen
end
local seen = find({ 5, 6, 7 }, 6)
print(seen())
print(seen())

print("parameters and varargs")
local function bind(f, ...)
  local arguments, n = { ... }, select("#", ...)
  return function() return f(unpack(arguments, 1, n)) end
end
print(bind(print, 1, nil, 3)())
local function accumulate(total) return function(x) total = total + x return total end end
local acc = accumulate(10)
print(acc(1), acc(2), accumulate(0)(5))

print("nesting")
local function a(x)
  return function(y)
    return function(z)
      x, y, z = x + 1, y + 1, z + 1
      return x, y, z
    end
  end
end
local c = a(1)(10)
print(c(100))
print(c(100))
do
  local x = 1
  local function f() return x end
  do
    local x = 2
    local function g() return f() + x end
    print(f(), g())
  end
  x = 5
  print(f())
end

print("recursion by name and by value")
local f = function() return f end
print(f())
local function g() return g end
print(g() == g)

print("coroutines share them, too")
local n = 0
local co = coroutine.wrap(function() while true do n = n + 1 coroutine.yield(n) end end)
print(co(), co(), n)
n = 10
print(co(), n)
