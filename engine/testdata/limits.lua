-- Handlers that would end or fill a server without limits.
local base = require("manager")
local json = require("json")
local server = require("server")

local limits = base:extend()

local ways = {}

function ways.loop()
  while true do
  end
end

function ways.pcall()
  while true do
    pcall(ways.loop)
  end
end

function ways.coroutine()
  coroutine.wrap(ways.loop)()
end

function ways.tail_calls()
  return ways.tail_calls()
end

function ways.handler_of_errors()
  xpcall(error, ways.loop)
end

function ways.sort()
  table.sort({ 1, 2, 3 }, ways.loop)
end

function ways.backtracking()
  return (("a"):rep(10000)):match(("a*"):rep(20) .. "b")
end

function ways.gsub()
  return (("x"):rep(1e6):gsub("x", ("y"):rep(1e6)))
end

function ways.rep()
  return ("x"):rep(1e9)
end

function ways.format()
  return ("%1000000000d"):format(1)
end

function ways.concatenation()
  local text = "x"
  while true do
    text = text .. text
  end
end

function ways.chain()
  local s = ("x"):rep(16 * 1024 * 1024)
  s = s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s
  return s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s
end

function ways.strings()
  local all = {}
  while #all >= 0 do
    all[#all + 1] = ("x"):rep(16 * 1024 * 1024)
  end
end

function ways.tables()
  local all, n = {}, 0
  while #all == n do
    n = n + 1
    all[n] = { {}, {}, {} }
  end
end

function ways.lists()
  local all = {}
  while #all >= 0 do
    local list = {}
    list[2 ^ 20 - 1] = 1
    all[#all + 1] = list
  end
end

function ways.recursion()
  return 1 + ways.recursion()
end

function ways.recursion_of_pcall()
  local _, problem = pcall(ways.recursion_of_pcall)
  error(problem, 0)
end

function ways.recursion_of_metamethods()
  local t = setmetatable({}, {
    __index = function(t, key)
      return t[key .. "x"]
    end,
  })
  return t.x
end

function ways.recursion_of_coroutines()
  coroutine.wrap(ways.recursion_of_coroutines)()
end

function ways.unpack()
  return unpack({}, 1, 1e8)
end

-- Its text would double with each level; the leaf is long, so that few pieces are made before the
-- bound.
local function shared(depth)
  local t = { ("x"):rep(1e5) }
  for _ = 1, depth do
    t = { a = t, b = t }
  end
  return t
end

local function nested()
  local t = {}
  for _ = 1, 1e5 do
    t = { t }
  end
  return t
end

function ways.encode_shared()
  return json.encode(shared(60))
end

function ways.send_shared(client)
  client:send("Shared", shared(60))
end

function ways.broadcast_shared()
  server.broadcast("Shared", shared(900))
end

function ways.encode_nested()
  return json.encode(nested())
end

function ways.field_nested(client)
  client.nested = nested()
end

function ways.decode_nested()
  error(select(2, json.decode(("["):rep(1e6))))
end

function ways.decode_long()
  return json.decode("[" .. ('{"":[]},'):rep(2e6) .. "1]")
end

function ways.error_that_fails()
  error(setmetatable({}, {
    __tostring = function()
      error("again")
    end,
  }))
end

function ways.error_that_lasts()
  error(setmetatable({}, { __tostring = ways.loop }))
end

function ways.next()
  for _ = 1, 1e6 do
    server.next("Nothing")
  end
end

function ways.delay()
  for _ = 1, 1e6 do
    server.delay(0, "Nothing")
  end
end

function ways.timers()
  for _ = 1, 1e6 do
    server.after(60000, "Nothing")
  end
end

function ways.async()
  local work = server.async(function() end)
  for _ = 1, 1e6 do
    work()
  end
end

function ways.promises()
  local settled = server.promise(function(resolve)
    resolve()
  end)
  for _ = 1, 1e6 do
    settled:next(tostring)
  end
end

function ways.topics()
  for i = 1, 1e6 do
    server.register("topic " .. i, { listed = true })
  end
end

function ways.topics_with_pcall()
  while true do
    pcall(ways.topics)
  end
end

function limits:roster() end

function limits:boot()
  base.boot(self)
  server.command("Nothing", function() end)
  local full
  server.command("Multiply", function()
    for _ = 1, 50 do
      if not full then
        local ok, problem = pcall(server.next, "Multiply")
        if not ok then
          full = problem
        end
      end
    end
  end)
  for name, way in pairs(ways) do
    server.message("Try " .. name, { protection = "none" }, function(client)
      way(client)
      client:send("Survived")
    end)
  end
  server.message("Multiply", { protection = "none" }, function()
    server.run("Multiply")
  end)
  server.message("Ping", { protection = "none" }, function(client)
    client:send("Pong", { full = full })
  end)
end

return limits
