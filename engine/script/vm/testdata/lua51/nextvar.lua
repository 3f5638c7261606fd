-- Tables: length, traversal, next, pairs, ipairs, select, rawget.
print("length")
print(#{}, #{ 1 }, #{ 1, 2, 3 }, #"", #"abc", #"a\0b", #{ n = 1 }, #{ [1] = 1, [2] = 2 }, #{ 1, 2, [4] = 4 } >= 2)
local t = {}
for i = 1, 100 do t[i] = i end
print(#t)
for i = 100, 51, -1 do t[i] = nil end
print(#t)
t[#t + 1] = "x"
print(#t, t[51])
t = { 1, 2, 3 }
t[#t] = nil
print(#t)
print("keys")
t = {}
t[1], t["1"], t[1.5], t[-1], t[0], t[true], t[print] = "n", "s", "f", "neg", "zero", "bool", "func"
print(t[1], t["1"], t[1.5], t[-1], t[0], t[true], t[print], t[false], t[2])
t[2 ^ 53] = "big"
print(t[2 ^ 53], t[9007199254740992], t[1.0], t[3 - 2])
local key = {}
t[key] = "table"
print(t[key], t[{}])
t[1] = nil
print(t[1], t["1"])
print("traversal")
local function keys(t)
  local list = {}
  for k in pairs(t) do list[#list + 1] = tostring(k) end
  table.sort(list)
  return table.concat(list, " ")
end
print(keys({}), keys({ 1, 2, x = 1 }), keys({ a = 1, b = 2, c = 3 }), keys({ [5] = 1, [10] = 2 }))
local count, sum = 0, 0
t = {}
for i = 1, 50 do t[i], t["k" .. i] = i, i end
for _, v in pairs(t) do count, sum = count + 1, sum + v end
print(count, sum)
for k in pairs(t) do t[k] = nil end
print(next(t), keys(t))
t = { a = 1, b = 2, c = 3, d = 4 }
for k, v in pairs(t) do t[k] = v * 2 end
print(t.a, t.b, t.c, t.d)
for k in pairs(t) do if k ~= "c" then t[k] = nil end end
print(keys(t))
t = { 1, 2, 3, 4, 5 }
local visited = 0
for k in pairs(t) do visited = visited + 1 t[k] = nil end
print(visited, next(t))
for i, v in ipairs({ 1, 2, nil, 4 }) do print(i, v) end
for i, v in ipairs({ "a", "b" }) do print(i, v) end
for i in ipairs({}) do print("never", i) end
t = { 1, 2, 3 }
for i in ipairs(t) do if i == 1 then t[4] = 4 end visited = i end
print(visited)
print(type(ipairs({})), select("#", pairs({})), select("#", ipairs({})))
print("next")
print(next({}), next({ 5 }), next({ a = 1 }))
print(next({ 5 }, 1), next({ a = 1 }, "a"))
t = { 10, 20 }
print(next(t, next(t)))
print(next(t, (next(t, (next(t))))))
t = { a = 1, b = 2 }
local first = next(t)
t[first] = nil
print(next(t, first) ~= nil, next(t) ~= first)
print(pcall(function() return next({}, 1) end))
print(pcall(function() return next({}, "x") end))
print(pcall(function() return next({ x = 1 }, "y") end))
print(pcall(function() return next({ 1, 2 }, 1.5) end))
print(pcall(function() return next() end))
print("select and rawget")
print(select("#"), select("#", nil, nil), select(2, "a", "b", "c"), select(-1, "a", "b"))
print(select(-2, "a", "b", "c"), select(4, "a", "b", "c"))
print(pcall(function() return select(0) end))
print(pcall(function() return select(-2, 1) end))
print(rawget({ 5 }, 1), rawget({}, "x"), rawset({}, "x", 5).x, rawequal({}, {}), rawequal("a", "a"))
print("globals")
local names = {}
local hidden = { load = 1, loadstring = 1, loadfile = 1, dofile = 1, getfenv = 1, setfenv = 1, collectgarbage = 1, gcinfo = 1, newproxy = 1,
  module = 1, package = 1, io = 1, debug = 1, arg = 1, require = 1 }
for k, v in pairs(_G) do
  if type(k) ~= "string" then print("strange", k) end
  if not hidden[k] and (type(v) == "table" or type(v) == "function" or k == "_VERSION") then names[#names + 1] = k end
end
table.sort(names)
GLOBALS = nil
local known = { _G = 1, _VERSION = 1, assert = 1, coroutine = 1, error = 1, getmetatable = 1, ipairs = 1, math = 1, next = 1, os = 1, pairs = 1, pcall = 1,
  print = 1, rawequal = 1, rawget = 1, rawset = 1, select = 1, setmetatable = 1, string = 1, table = 1, tonumber = 1, tostring = 1, type = 1,
  unpack = 1, xpcall = 1 }
for _, name in ipairs(names) do if known[name] then print(name, type(_G[name])) end end
print(_VERSION, _G["(concat)"], rawget(_G, "(concat)"))
print("sizes")
t = {}
for i = 1, 1000 do t[i] = true end
for i = 1, 1000 do t["x" .. i] = true end
count = 0
for _ in pairs(t) do count = count + 1 end
print(#t, count)
print(table.maxn({ 1, 2, [10] = 1 }), table.maxn({}), table.maxn({ x = 1, [2.5] = 1 }))
