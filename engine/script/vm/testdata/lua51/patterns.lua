-- Patterns: find, match, gmatch, gsub.
local function q(...) local out = {} for i = 1, select("#", ...) do out[i] = tostring((select(i, ...))) end print(table.concat(out, "|")) end
print("find")
q(("hello"):find("l")) q(("hello"):find("xyz")) q(("hello"):find("")) q(("hello"):find("", 10)) q(("hello"):find("l", -2))
q(("a.b"):find(".", 1, true)) q(("a.b"):find("%.")) q(("a+b"):find("+", 1, true)) q(("hello"):find("(l)(l)")) q(("x=1"):find("(%w+)=(%w+)"))
q(("abc"):find("b", 2)) q(("abc"):find("b", 3)) q(("abc"):find("^b", 2)) q(("abc"):find("c$")) q((""):find("")) q(("aaa"):find("a-", 2))
print("match")
q(("key = value"):match("^(%w+)%s*=%s*(%w+)$")) q(("2026-12-01"):match("(%d+)-(%d+)-(%d+)")) q(("abc"):match("b")) q(("abc"):match("()b()"))
q(("  trim  "):match("^%s*(.-)%s*$")) q(("[tag]"):match("%[(.-)%]")) q(("abc"):match("x")) q(("abc"):match(".-")) q(("abc"):match("a*", 2))
q(("f(a(b)c)d"):match("%b()")) q(("THE (quick) fox"):find("%((%a+)%)")) q(("x"):match("(x)(y?)")) q(("hello hello"):match("(%w+) %1"))
q(("THE (quick) fox"):match("%f[%a]%a+%f[%A]")) q(("a1b2"):match("%a%d%a%d")) q(("\0a\0"):match("%z(a)%z"))
print("classes")
for _, class in ipairs({ "a", "c", "d", "l", "p", "s", "u", "w", "x", "z", "A", "D", "S", "W" }) do
  local hits = {}
  for b = 0, 127 do if string.char(b):find("%" .. class) then hits[#hits + 1] = b end end
  print(class, #hits, hits[1], hits[#hits])
end
q(("a-z]^"):gsub("[%]%-%^]", "#")) q(("abcxyz"):gsub("[a-c]", "*")) q(("abcxyz"):gsub("[^a-c]", "*")) q(("a]b"):match("[]]")) q(("a^b"):match("[b^]"))
print("repetition")
q(("aaab"):match("a*")) q(("aaab"):match("a+b")) q(("aaab"):match("a-b")) q(("b"):match("a?b")) q(("ab"):match("a?b")) q(("xxx"):gsub("x*", "-"))
q(("<a><b>"):match("<(.*)>")) q(("<a><b>"):match("<(.-)>")) q((".*"):match("%.%*")) q(("a.b-c"):gsub("%p", "%%%0"))
print("gmatch")
for w in ("one two  three"):gmatch("%a+") do q(w) end
for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do q(k, v) end
for p in ("abc"):gmatch("()") do q(p) end
for c in ("ab"):gmatch("") do q("empty", c) end
local n = 0
for _ in ("aXbXc"):gmatch("X") do n = n + 1 end
q(n)
print("gsub")
q(("hello world"):gsub("o", "0")) q(("hello world"):gsub("o", "0", 1)) q(("hello"):gsub("", "-")) q(("hello world"):gsub("(%w+)", "<%1>"))
q(("hello world"):gsub("%w+", "%0 %0", 1)) q(("abc"):gsub("%w", "%%%0")) q(("a b"):gsub("(%w) (%w)", "%2 %1")) q(("abc"):gsub("b", { b = "B" }))
q(("abc"):gsub("%w", { a = 1, b = false })) q(("abc"):gsub("%w", function(c) if c == "b" then return "[" .. c .. "]" end end))
q(("$name is $age"):gsub("%$(%w+)", { name = "Ann", age = 7 })) q(("abc"):gsub("(a)(b)", function(x, y) return y .. x end))
q(("  x  "):gsub("^%s+", "")) q(("abc"):gsub("x", "y")) q(("a,b,,c"):gsub(",", ";")) q(("abc"):gsub(".", "%0%0", 2)) q((" a "):gsub("%s*$", "!"))
q(("\n1\n2"):gsub("\n", "\\n")) q(("äö"):gsub("ö", "o")) q(("x^2"):gsub("%^", "**")) q(("abc"):gsub("", ""))
print("errors")
for _, bad in ipairs({ "[", "[a", "%", "(", ")", "(()", "%b", "%bx", "%f", "[%", "%1", "(%1)" }) do
  print(bad, pcall(function() return ("abc"):find(bad) end))
end
print(pcall(function() return ("abc"):gsub("a", nil) end))
print(pcall(function() return ("abc"):gsub("a", "%2") end))
print(pcall(function() return ("abc"):gsub("a", function() return {} end) end))
print(pcall(function() return ("abc"):gsub("a", { a = print }) end))
print(pcall(function() return ("abc"):rep(2):find() end))
print(pcall(function() return ("a"):gsub("a", "b", {}) end))
