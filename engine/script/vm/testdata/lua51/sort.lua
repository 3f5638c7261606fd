-- The library table: sort, insert, remove, concat.
local function show(t) return table.concat(t, ",") end
print("sort")
local t = { 3, 1, 2 }
table.sort(t)
print(show(t))
t = { "banana", "apple", "Cherry", "", "apple2" }
table.sort(t)
print(show(t))
table.sort(t, function(a, b) return a > b end)
print(show(t))
for _, n in ipairs({ 0, 1, 2, 3, 10, 100, 500 }) do
  local list, seed = {}, 7
  for i = 1, n do seed = (seed * 1103515245 + 12345) % 2147483648 list[i] = seed % 1000 end
  table.sort(list)
  local ok = true
  for i = 2, n do ok = ok and list[i - 1] <= list[i] end
  print(n, ok, #list, list[1], list[n])
  table.sort(list, function(a, b) return b < a end)
  for i = 2, n do ok = ok and list[i - 1] >= list[i] end
  print(ok)
end
local people = { { "b", 2 }, { "a", 2 }, { "c", 1 } }
table.sort(people, function(x, y) if x[2] ~= y[2] then return x[2] < y[2] end return x[1] < y[1] end)
print(people[1][1], people[2][1], people[3][1])
print(select("#", table.sort({})))
print(pcall(function() table.sort({ 1, "x" }) end))
print(pcall(function() table.sort({ {}, {} }) end))
print(pcall(function() table.sort({ 1, 2, 3 }, function() error("cmp", 0) end) end))
print(pcall(function() table.sort({ 2, 1 }, 5) end))
print(pcall(function() table.sort() end))
print("insert and remove")
t = {}
table.insert(t, "a")
table.insert(t, 1, "b")
table.insert(t, 2, "c")
table.insert(t, #t + 1, "d")
print(show(t), #t)
print(table.remove(t), show(t))
print(table.remove(t, 1), show(t))
print(table.remove(t, 1), table.remove(t), table.remove(t), #t)
print(select("#", table.remove({})), select("#", table.insert({}, 1)))
t = { 1, 2, 3, 4, 5 }
for i = #t, 1, -1 do if t[i] % 2 == 0 then table.remove(t, i) end end
print(show(t))
local queue = {}
for i = 1, 5 do table.insert(queue, i) end
local out = {}
while #queue > 0 do out[#out + 1] = table.remove(queue, 1) end
print(show(out), #queue)
print(pcall(function() table.insert({}, 1, 2, 3) end))
print(pcall(function() table.insert({}) end))
print(pcall(function() table.insert(nil, 1) end))
print(pcall(function() table.insert({}, "x", 1) end))
print("concat")
print(table.concat({}), table.concat({ 1 }), table.concat({ 1, 2, 3 }, ", "), table.concat({ "a", 1, 1.5 }, ""))
print(table.concat({ 1, 2, 3, 4 }, "-", 2), table.concat({ 1, 2, 3, 4 }, "-", 2, 3), table.concat({ 1, 2 }, "-", 3), table.concat({ 1, 2 }, 0))
print(pcall(function() table.concat({ 1, {}, 3 }) end))
print(pcall(function() table.concat({ 1, 2 }, ",", 1, 3) end))
print(pcall(function() table.concat(5) end))
print(pcall(function() table.concat({ true }) end))
