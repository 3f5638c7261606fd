-- Local variables: scope, shadowing, initial values, many of them.
print("scope")
local x = 1
do
  local x = x + 1
  print(x)
  do local x = x * 10 print(x) end
  print(x)
end
print(x)
if true then local x = "if" print(x) end
for x = 5, 5 do print(x) end
while x == 1 do local x = "while" print(x) break end
print(x)
local function f(x) local x = x or "none" return x end
print(f(), f(2))
print("initial values")
local a, b, c = 1
print(a, b, c)
local d, e = 1, 2, 3
print(d, e)
local g = g
print(g)
local h = h or "global h is nil"
print(h)
local i, i = 1, 2
print(i)
for n = 1, 2 do
  local fresh
  print(fresh)
  fresh = n
end
print("a function sees its own name")
local function fact(n) return n <= 1 and 1 or n * fact(n - 1) end
print(fact(6))
local visible = "outer"
local visible = function() return visible end
print(visible())
print("shadowing globals")
do
  local print = function(...) _G.print("local", ...) end
  print(1)
end
local type = function(v) return "a " .. type(v) end
print(type(1))
print("repeat sees the variables of its body")
local n = 0
repeat local done = n >= 3 n = n + 1 until done
print(n)
print("many")
local v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15, v16, v17, v18, v19, v20 = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
print(v1 + v2 + v3 + v4 + v5 + v6 + v7 + v8 + v9 + v10 + v11 + v12 + v13 + v14 + v15 + v16 + v17 + v18 + v19 + v20)
local p, q, r = v1, v2, v3
p, q, r = r, p, q
print(p, q, r)
local function many(...) local one, two, three = ... return three, two, one end
print(many(1, 2, 3), (many(1, 2, 3)))
