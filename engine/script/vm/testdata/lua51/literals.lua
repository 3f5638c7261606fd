-- Literals and comments: numerals, strings, long brackets, names.
print("numerals")
print(0, 1, 12, 007, 0010, 1., .5, 0.5, 3.14, 5e0, 5e2, 5E+2, 5e-1, .5e1, 1.e2)
print(0x0, 0xA, 0Xa, 0xff, 0xFF, 0x7fffffff, 0xffffffff, 0x00010)
print(1e308 * 10, -1e308 * 10, 1e-400, 4.9e-324 > 0)
print(100000000000000 == 1e14, 2 ^ 53 == 9007199254740992, 0.1 + 0.2 == 0.3, 0.5 + 0.25 == 0.75)
print("strings")
print("a\tb", 'a\tb', "say \"x\"", 'say "x"', "it's", 'it\'s', "back\\slash")
print(#"\a\b\f\n\r\t\v", ("\a\b\f\n\r\t\v"):byte(1, -1))
print("\65\066\0677", #"\0", #"a\0b", "\1200", ("\255"):byte())
print("line\
break", "next\nline", #"x\
y")
print("\q\-\%" == "q-%", "\x41" == "x41", "\z" == "z")
print([[long]], [==[a]]b]=]c]==], #[[
first newline dropped]], [[
two]])
print(#[[

]], [[a\nb]] == "a\\nb", [=[ [[nested]] ]=])
print("comments") -- short
--[[ long
comment ]]
print(1) --[[ inline ]] print(2)
--[==[ with ]] inside
]==] print(3)
---[[ not long
print(4)
--]]
--[x short, too
print(5) --
print("names")
local _, _a, a1, A = 1, 2, 3, 4
print(_, _a, a1, A)
local and_, ends, nill, If = 1, 2, 3, 4
print(and_, ends, nill, If)
print("operators without spaces")
print(1+2-3*4/5%6^7, 1<2, 1<=2, 1>=2, 1==1, 1~=1, "a".."b", #"x", -1 - -1, not-1)
print(a1-1, a1 -1, a1- 1, 5 --[[ minus ]] - 3)
print("text as numbers")
for _, s in ipairs({ "0", "010", "0x10", "0X1f", " 12 ", "1e2", "1E+2", ".5", "5.", "-3", "+3", "- 3", "--3", "1e", "0x", "1_000",
  "0b11", "0o17", "", " ", "1 2", "0x1g", "1e400", "12a", "\t7\n", "1.5.2", "e5", "." }) do
  print(s, tonumber(s), pcall(function() return s + 1 end) and s + 1 or "no arithmetic", pcall(function() return -s end))
end
print("10" + 5, "3" * "4", 10 / "4", "7" % 4, 2 ^ "3", "0x10" + 1, "1e1" - 1, -"2", - -"3", "0x1p4" == nil)
print(pcall(function() return "abc" + 1 end))
print(pcall(function() return "10" + {} end))
print("numbers as text")
print(1, -1, 1.5, -1.5, 0.1, 0.1 + 0.2, 1 / 3, 100 / 3, 2 / 3, 1e14, 123456789012345, 1e-5, 1e-4, 0.00001234, 1e100, -1e100, 1e15 / 3)
print(1 / 0, -1 / 0, 3.0, 1e2, 2 ^ 31, 2 ^ 32, -2 ^ 31, 12345.678, 1234567.891234, 99999999999999.9, 0.99999999999999999)
print(1 .. "", 1.5 .. "", 0.1 + 0.2 .. "", 1 / 3 .. "", 1 / 0 .. "", 1e100 .. "", tostring(1e20), tostring(2 ^ 63), 2 ^ 64 .. "|")
print(string.format("%s %s %s", 1, 0.1 + 0.2, 1 / 0), table.concat({ 1, 0.1 + 0.2, 1 / 3, -1 / 0 }, " "))
print(#tostring(1 / 3), ("x"):rep("2"), ("5"):rep(2) + 1, (1 / 3 .. ""):sub(1, 5), tostring(1e14) == "1e+14")
print(10 .. 20, 1 .. 2 + 3, "a" .. 1 + 2 .. "b", -1 .. "", 0x10 .. "")
