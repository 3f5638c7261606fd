-- Varargs.
local function count(...) return select("#", ...) end
print(count(), count(nil), count(nil, nil), count(1, nil, 3, nil), count((count())), count(unpack({}, 1, 5)))
local function pass(...) return ... end
print(pass(), pass(nil), (pass(1, 2, 3)), pass(1, 2, 3))
local function tail(first, ...) return ... end
print(tail(1, 2, 3), count(tail()), count(tail(1)))
local function pack(...) return { n = select("#", ...), ... } end
local t = pack(1, nil, 3, nil)
print(t.n, t[1], t[2], t[3], t[4])
print(#{ pass(1, 2, 3) }, #{ pass(1, 2), pass(3, 4) }, #{ (pass(1, 2)) })
local function sum(...)
  local total = 0
  for i = 1, select("#", ...) do total = total + select(i, ...) end
  for _, v in ipairs({ ... }) do total = total + v end
  return total
end
print(sum(1, 2, 3), sum())
local function first(...) local a, b = ... return a, b end
print(first(), first(1), first(1, 2, 3))
local function last(...) return (select(select("#", ...), ...)) end
print(last(1, 2, 3), last("x"))
local function format(...) return ("%s-%s"):format(...) end
print(format(1, 2, 3), pcall(format, 1) == false)
local function closure(...) local a = { ... } return function() return unpack(a) end end
print(closure(1, 2, 3)())
local function mixed(a, b, ...) return a, b, count(...), ... end
print(mixed(1)) print(mixed(1, 2)) print(mixed(1, 2, 3, 4))
local object = {}
function object:m(...) return self == object, count(...), ... end
print(object:m(1, nil), object.m(object))
local function recursive(n, ...) if n == 0 then return ... end return recursive(n - 1, n, ...) end
print(recursive(5))
print(select("#", recursive(200)))
print(pcall(pass, 1, 2, 3), (pcall(pass, 1)))
print(math.max(pass(3, 9, 2)), ("x"):rep(pass(3)), string.char(pass(72, 105)))
local function main(...) return function(...) return ... end, ... end
print(select(2, main(5)), main()(7))
print((function(...) return select("#", ...) end)(unpack({ 1, 2, 3, nil, 5 }, 1, 5)))
local function swap(...) local a, b = ... a, b = b, a return a, b end
print(swap(1, 2))
print(pcall(select, "x"))
print(pcall(select))
