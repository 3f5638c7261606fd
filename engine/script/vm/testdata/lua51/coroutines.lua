-- Coroutines.
print("yield and resume")
local co = coroutine.create(function(a, b)
  print("started", a, b)
  local c = coroutine.yield(a + b)
  print("resumed", c)
  local d, e = coroutine.yield(c * 2)
  return d, e, "end"
end)
print(coroutine.status(co), type(co))
print(coroutine.resume(co, 1, 2))
print(coroutine.status(co))
print(coroutine.resume(co, 10))
print(coroutine.resume(co, "d", "e"))
print(coroutine.status(co))
print(coroutine.resume(co))
print("wrap")
local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i, i * i) end return "done" end)
print(gen(), (gen()), gen())
print(gen())
print(pcall(gen))
print("errors")
co = coroutine.create(function() error("inside", 0) end)
print(coroutine.resume(co))
print(coroutine.status(co))
co = coroutine.create(function() error({ code = 5 }) end)
local ok, problem = coroutine.resume(co)
print(ok, type(problem), problem.code)
print(pcall(coroutine.wrap(function() error("wrapped", 0) end)))
co = coroutine.create(function() local x = nil + 1 end)
print(coroutine.resume(co))
print(pcall(function() return coroutine.create(5) end))
print(pcall(function() return coroutine.resume(5) end))
print(pcall(function() return coroutine.wrap(nil) end))
print("status and running")
print(coroutine.running())
co = coroutine.create(function(self)
  print(coroutine.status(self), coroutine.running() == self)
  local inner = coroutine.create(function() print(coroutine.status(self)) return coroutine.resume(self) end)
  print(coroutine.resume(inner))
  print(coroutine.resume(self))
end)
print(coroutine.resume(co, co))
print("generators")
local function tree(t) if t then tree(t.left) coroutine.yield(t.v) tree(t.right) end end
local function each(t) return coroutine.wrap(function() tree(t) end) end
for v in each({ v = 2, left = { v = 1 }, right = { v = 4, left = { v = 3 } } }) do print(v) end
local function permutations(list, n)
  n = n or #list
  if n <= 1 then coroutine.yield(table.concat(list, "")) return end
  for i = 1, n do
    list[n], list[i] = list[i], list[n]
    permutations(list, n - 1)
    list[n], list[i] = list[i], list[n]
  end
end
for p in coroutine.wrap(function() permutations({ "a", "b", "c" }) end) do print(p) end
print("producers and filters")
local function numbers(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) end
local function filter(keep, source) return coroutine.wrap(function() for v in source do if keep(v) then coroutine.yield(v) end end end) end
local out = {}
for v in filter(function(v) return v % 3 == 0 end, filter(function(v) return v % 2 == 0 end, numbers(30))) do out[#out + 1] = v end
print(table.concat(out, " "))
print("values")
print(coroutine.resume(coroutine.create(function(...) return select("#", ...), ... end), nil, nil))
print(coroutine.resume(coroutine.create(function() return coroutine.yield() end)))
print(select("#", coroutine.resume(coroutine.create(function() end))))
co = coroutine.wrap(function(...) local n = select("#", ...) while true do n = select("#", coroutine.yield(n)) end end)
print(co(), co(1, 2), co(nil, nil, nil))
print("outside")
print(pcall(coroutine.yield, 1))
print("protected calls inside")
co = coroutine.create(function()
  local ok, problem = pcall(function() error("caught", 0) end)
  coroutine.yield(ok, problem)
  return pcall(error, "again", 0)
end)
print(coroutine.resume(co))
print(coroutine.resume(co))
print("many")
local total = 0
for i = 1, 500 do local c = coroutine.wrap(function(x) total = total + x coroutine.yield() end) c(i) end
print(total)
