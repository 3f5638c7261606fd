-- Generated numbers as text, and generated arithmetic on strings and numbers.
local seed = 20261201
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end
local function number()
  local digits = random(1000000) * 1000000 + random(1000000)
  return (digits / 10 ^ random(13)) * 10 ^ (random(40) - 20) * (random(2) * 2 - 1)
end

print("fractions and exponents")
for _ = 1, 300 do
  local n = number()
  -- Perigee writes whole numbers up to 2^53 in full.
  if n ~= math.floor(n) or n > 2 ^ 53 or n < -2 ^ 53 then
    print(n, n .. "", tostring(n) == string.format("%.14g", n), #table.concat({ n, n }, " "), ("%s"):format(n))
  end
end

print("whole numbers")
for _ = 1, 50 do
  local n = random(2147483647) * 1000 + random(1000)
  if n < 1e14 then print(n, -n, n .. "|" .. -n, n / 2 * 2 == n) end
end

print("what is read as a number")
local signs = { "", "-", "+", "--", "- " }
local bodies = { "0", "7", "007", "1e2", "1E-2", "1e+2", "0x1f", "0XAB", "0x", "1.", ".5", "1.5", ".", "", "1e", "1e1.5", "1_0", "0b1", "0o7", "x", "1x", "1 1", "0x1 ", "00", "1,5" }
local ends = { "", " ", "\n\t" }
for _, sign in ipairs(signs) do
  for _, body in ipairs(bodies) do
    for _, space in ipairs(ends) do
      local text = space .. sign .. body .. space
      if text:find("0x") == nil or sign == "" or sign == "+" or sign == "-" then
        local ok, sum = pcall(function() return text + 1 end)
        local minus, negative = pcall(function() return -text end)
        print(("%q"):format(text), tonumber(text) and tonumber(text) + 0, ok, ok and sum, minus, minus and 0 + negative)
      end
    end
  end
end

print("operators")
local operands = { 0, 1, 3, -2, 2.5, "0", "7", " -2 ", "0x10", "1e1", "x", "", true, {} }
local operators = {
  function(a, b) return a + b end,
  function(a, b) return a - b end,
  function(a, b) return a * b end,
  function(a, b) return a / b end,
  function(a, b) return a % b end,
  function(a, b) return a ^ b end,
  function(a, b) return a .. b end,
  function(a, b) return a < b end,
  function(a, b) return a <= b end,
  function(a, b) return a == b end,
}
for i, operate in ipairs(operators) do
  for _, a in ipairs(operands) do
    for _, b in ipairs(operands) do
      local ok, result = pcall(operate, a, b)
      if type(a) ~= "table" and type(b) ~= "table" and result ~= result then result = "not a number" end
      if result == 0 then result = 0 end
      print(i, type(a) == "table" or a, type(b) == "table" or b, ok, result)
    end
  end
end

print("bounds of loops")
for _, first in ipairs({ 1, "1", " 2 ", "0x1", "x", "", {}, true }) do
  for _, last in ipairs({ 3, "3", "0x3", "3x", {} }) do
    local n = 0
    local ok, problem = pcall(function() for i = first, last do n = n + i end end)
    local stepped = pcall(function() for i = last, first, "-1" do n = n + i end end)
    print(ok, problem, stepped, n)
  end
end
