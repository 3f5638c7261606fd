-- The library math, and arithmetic.
print("arithmetic")
print(7 + 2, 7 - 2, 7 * 2, 7 / 2, 7 % 3, 2 ^ 10, -7 + 0, 0.1 * 3)
print(7 % 3, -7 % 3, 7 % -3, -7 % -3, 5.5 % 2, -5.5 % 2, 5 % 0.75, -6 % 3 == 0)
print(1 / 0, -1 / 0, 0 / 1, 5 % 1, 2 ^ 0.5 == math.sqrt(2), 4 ^ 0.5, (-8) ^ (1 / 3) ~= (-8) ^ (1 / 3))
print(2 ^ 53 + 1 == 2 ^ 53, 1e15 + 0.5 == 1e15, 0 == -0, 3 == 3.0, 1e308 * 10 == math.huge)
print("rounding")
for _, v in ipairs({ 0, 0.5, 1, 1.5, -0.5, -1.5, 2.999999, -3, 1e15, 123456.789 }) do
  print(v, math.floor(v), math.ceil(v) == -math.floor(-v), math.abs(v), math.modf(v))
end
print(math.floor(-0.5), math.ceil(1.2), math.ceil(2), math.modf(3.25))
print(math.modf(-3.25))
print(math.fmod(7, 3), math.fmod(-7, 3), math.fmod(7, -3), math.fmod(5.5, 2), math.fmod(6, 3))
print("powers and logarithms")
print(math.sqrt(16), math.sqrt(2), math.exp(0), math.exp(1), math.log(1), math.log(10), math.log10(1000), math.log10(0.01), math.pow(2, 8), math.pow(9, 0.5))
print(math.frexp(8), math.frexp(0.75), math.frexp(0))
print(math.ldexp(0.5, 4), math.ldexp(1, -2), math.ldexp(math.frexp(12.5)))
print("trigonometry")
print(math.sin(0), math.cos(0), math.tan(0), math.pi, math.deg(math.pi), math.rad(180))
for _, name in ipairs({ "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh" }) do
  print(name, math[name](0.5), math[name](-0.25))
end
print(math.atan2(1, 1), math.atan2(-1, 1), math.atan2(1, 0), math.atan2(0, -1))
print("max and min")
print(math.max(1), math.max(1, 3, 2), math.min(4, 2, 3), math.max(-1, -2), math.max("10", 9), math.min(1.5, "1"))
print(math.max(1, 1 / 0), math.min(1, -1 / 0), math.huge, -math.huge, math.huge == 1 / 0)
print("random")
math.randomseed(42)
local low, high = math.huge, -math.huge
for _ = 1, 1000 do
  local v = math.random()
  low, high = math.min(low, v), math.max(high, v)
end
print(low >= 0, high < 1)
local seen = {}
for _ = 1, 1000 do seen[math.random(6)] = true end
print(#seen, seen[0], seen[7])
seen = {}
for _ = 1, 1000 do seen[math.random(-2, 2)] = true end
print(seen[-2], seen[-1], seen[0], seen[1], seen[2], seen[3])
print(math.random(5, 5), math.random(1))
print(pcall(function() math.random(0) end))
print(pcall(function() math.random(2, 1) end))
print(pcall(function() math.random(1, 2, 3) end))
print("arguments")
print(math.floor("3.7"), math.abs("-2"), math.max("0x10", 3), math.sqrt("16"))
print(pcall(function() math.floor() end))
print(pcall(function() math.floor({}) end))
print(pcall(function() math.max() end))
print(pcall(function() math.max(1, "x") end))
print(pcall(function() math.sqrt(nil) end))
print(type(math.pi), type(math.huge), math.nothing)
local names = {}
for k in pairs(math) do if k ~= "mod" then names[#names + 1] = k end end
table.sort(names)
print(table.concat(names, " "))
