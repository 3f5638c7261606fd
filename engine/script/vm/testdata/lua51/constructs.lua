-- Statements and expressions: precedence, logic, loops, assignments, constructors.
print("precedence")
print(2 ^ 3 ^ 2, -2 ^ 2, 2 ^ -1, -3 % 5, -(3 % 5), 2 * 3 % 4, 10 - 4 - 3, 2 + 3 * 4 ^ 2 / 2)
print(not nil == true, not (nil == true), not 1 == 2, 1 .. 2 == "12", "a" .. "b" == "ab")
print(1 + 2 < 4, 1 < 2 == true, "x" < "y" and 1 or 2, 1 .. 2 .. 3, -"2" + 0, -2 ^ -2)
print(#"abc" + 1, -#"abc", not #"" == 0, #"a" .. #"bc", 2 ^ #"abc")
print(8 / 2 / 2, 7 % 4 % 2, 2 - -2, 5 - - -5, 1 == 1.0, "1" == 1)

print("and, or, not")
print(nil and 1, false and 1, 0 and 1, "" and 1, nil or 1, false or nil, false or false, 1 or error("no"))
print(nil and error("no"), 1 and 2 and 3, nil or false or 3, 1 and nil or 3, (nil or 1) and 2)
print(not nil, not 0, not not 1, not (1 == 1 and 2 == 2))
local function calls(...) return select("#", ...) end
print(calls(nil and 1), calls((nil) or nil), calls(false or unpack({ 1, 2 })), calls((unpack({ 1, 2 }))))
local v = 5
v = (v or 1) and v + 1
print(v)
v = v > 3 and v < 10 and "between" or "outside"
print(v)

print("comparisons")
print(1 < 2, 2 <= 2, 3 > 4, 4 >= 4, 1 ~= 1, "a" < "b", "a" < "B", "" < "a", "a" < "ab", "Z" < "a")
print("10" < "9", "\0a" < "\0b", "a\0" < "a", "a\0b" == "a\0b", "a\0b" == "a\0c", {} == {}, nil == false)
local nan = 0 / 0
print(nan == nan, nan < 1, nan > 1, nan ~= nan, 1 / 0 > 1e308, -1 / 0 < -1e308)

print("assignments")
local x, y, z = 1, 2
print(x, y, z)
x, y = y, x
print(x, y)
local t = { 1, 2, 3 }
local i = 1
i, t[i] = i + 1, 20
print(i, t[1], t[2])
t[1], t[2], t[3] = t[3], t[1], t[2]
print(t[1], t[2], t[3])
local a = { n = 1 }
a.n, a = 2, { n = 3 }
print(a.n)
x, y, z = (function() return 1, 2, 3 end)()
print(x, y, z)
x, y, z = 0, (function() return 1, 2, 3 end)()
print(x, y, z)
x, y = (function() return 1, 2 end)(), "last"
print(x, y)

print("loops")
for n = 1, 3 do io = n end
print(io)
io = nil
for n = 3, 1 do print("never", n) end
for n = 3, 1, -1 do v = n end
print(v)
for n = 1, 2, 0.5 do v = n end
print(v)
for n = "1", "3", "1" do v = n end
print(v, type(v))
for n = 0.1, 0.35, 0.1 do v = n end
print(v)
local count = 0
for n = 1, 0 do count = count + 1 end
for n = 1, 1 do count = count + 1 end
for n = -1, -3, -1 do count = count + 1 end
print(count)
for n = 1, 10 do if n == 4 then v = n break end end
print(v)
for n = 1, 3 do local n = n * 10 v = n end
print(v)
while true do if v > 40 then break end v = v + 5 end
print(v)
repeat local done = v > 60 v = v + 10 until done
print(v)
for k, w in next, { 10 } do print(k, w) end
for k in pairs({}) do print("never", k) end
local function upto(limit, last) if last < limit then return last + 1, (last + 1) ^ 2 end end
for k, square in upto, 3, 0 do print(k, square) end
count = 0
for p = 1, 3 do for q = 1, 3 do if q > p then break end count = count + 1 end end
print(count)

print("if")
local function grade(n) if n > 9 then return "A" elseif n > 5 then return "B" elseif n > 2 then return "C" else return "D" end end
print(grade(10), grade(6), grade(3), grade(0))
if nil then print("never") elseif false then print("never") else print("else") end
if 0 then print("0 is true") end
if "" then print("the empty string is true") end

print("constructors")
local key = "k"
t = { 1, 2, 3, x = "x", [key] = "v", [10] = 10, [1 + 1] = "dropped", "four"; n = nil, }
print(t[1], t[2], t[3], t[4], t.x, t.k, t[10])
print(#{}, #{ nil }, #{ 1, 2, nil, 4 } == 4, #{ n = 1 }, next({}), next({ a = 1 }))
t = { { 1, { 2 } }, f = function() return 1 end, ["a b"] = { c = { d = "deep" } } }
print(t[1][2][1], t.f(), t["a b"].c.d)
local big = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
  30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, k = 1, 51, 52, (function() return 53, 54 end)() }
print(#big, big[50], big[51], big[54], big.k)

print("globals")
newglobal = 5
print(newglobal, _G.newglobal, _G["newglobal"], _G._G == _G)
_G.other = "o"
print(other)
newglobal, other = nil, nil
print(newglobal, rawget(_G, "newglobal"))

print("semicolons and blocks")
do local x = 1; print(x) end
do end
local function empty() return end
print(empty(), (empty()));
(print)("parenthesis")
