-- Every operator with every pair of operands, metamethods included: results and errors.
local function object(name, events)
  local metatable = {}
  for _, event in ipairs(events) do
    metatable[event] = function(a, b)
      return name .. event .. (type(a) == "table" and "T" or tostring(a)) .. (type(b) == "table" and "T" or tostring(b))
    end
  end
  return setmetatable({}, metatable)
end
local all = object("all", {
  "__add", "__sub", "__mul", "__div", "__mod", "__pow", "__concat", "__lt", "__le", "__eq", "__unm", "__index", "__call",
})
local values = { all, setmetatable({}, {}), object("some", { "__add", "__concat", "__lt" }), 1, 0, -1, "2", "x", nil, true, function() return "called" end }
local names = { "all", "none", "some", "1", "0", "-1", "'2'", "'x'", "nil", "true", "function" }
local operators = {
  { "+", function(a, b) return a + b end },
  { "-", function(a, b) return a - b end },
  { "*", function(a, b) return a * b end },
  { "/", function(a, b) return a / b end },
  { "%", function(a, b) return a % b end },
  { "^", function(a, b) return a ^ b end },
  { "..", function(a, b) return a .. b end },
  { "<", function(a, b) return a < b end },
  { "<=", function(a, b) return a <= b end },
  { ">", function(a, b) return a > b end },
  { ">=", function(a, b) return a >= b end },
  { "==", function(a, b) return a == b end },
  { "~=", function(a, b) return a ~= b end },
  { "a .. b .. a", function(a, b) return a .. b .. a end },
  { "'x' .. a .. b", function(a, b) return "x" .. a .. b end },
  { "a .. b .. 'x'", function(a, b) return a .. b .. "x" end },
  { "-a", function(a) return -a end },
  { "#a", function(a) return #a end },
  { "a(b)", function(a, b) return a(b) end },
  { "a[b]", function(a, b) return a[b] end },
  { "a.x", function(a) return a.x end },
  { "a.x = b", function(a, b) a.x = b return "set" end },
  { "and, or", function(a, b) return (a and b) == b, (a or b) == a end },
  { "a:x(b)", function(a, b) return a:x(b) end },
  { "upvalues", function(a, b) local function f() return a + b end return f() end },
  { "fields", function(a, b) local t = { a = a, b = b } return t.a * t.b end },
  { "joined fields", function(a, b) local t = { a = a, b = b } return t.a .. t.b end },
  { "called field", function(a, b) local t = { a = a, b = b } return t.a(t.b) end },
  { "for", function(a, b)
    local n = 0
    for _ = a, b do
      n = n + 1
      if n > 5 then break end
    end
    return n
  end },
}
for _, operator in ipairs(operators) do
  for i = 1, #names do
    for j = 1, #names do
      local ok, result = pcall(operator[2], values[i], values[j])
      if type(result) == "table" or type(result) == "function" then
        result = type(result)
      elseif result ~= result then
        result = "not a number"
      elseif result == 0 then
        result = 0 -- without a sign
      end
      print(operator[1], names[i], names[j], ok, (tostring(result):gsub("0x%x+", "address")))
    end
  end
end
