-- What goes through JSON and back.
local base = require("manager")
local json = require("json")
local server = require("server")

local values = base:extend()

function values:boot()
  base.boot(self)
  server.message("Echo", { protection = "none" }, function(client, message)
    client:send("Echoed", { value = message.value })
  end)
  server.message("Make", { protection = "none" }, function(client)
    client:send("Made", {
      empty = {},
      list = json.array({}),
      null = json.null,
      large = 1795384421,
      largest = 9007199254740992,
      fraction = 0.1,
      bytes = "\255",
      decoded = json.decode('{"a":[1,{"b":null}],"c":{}}'),
      encoded = json.encode({ 1, "two", { three = 3 } }),
      undecodable = json.decode("{") == nil,
    })
  end)
  server.message("Wrong", { protection = "none" }, function(client, message)
    local cycle = {}
    cycle.cycle = cycle
    local wrong = {
      ["function"] = print,
      nan = 0 / 0,
      infinity = 1 / 0,
      mixed = { 1, 2, key = 3 },
      cycle = cycle,
    }
    local ok, problem = pcall(client.send, client, "Wrong", { field = { wrong[message.what] } })
    client:send("Refused", { ok = ok, named = problem:find("field", 1, true) ~= nil })
  end)
  server.message("Nest", { protection = "none" }, function(client)
    client.own = {}
    client.own.client = client
    local ok, problem = pcall(client.send, client, "Nested", { client = client })
    client.own = nil
    client:send("Unnested", { ok = ok, problem = problem })
  end)
  server.message("Store", { protection = "none" }, function(client, message)
    local field = message.field
    local ok = pcall(function()
      client[field] = field == "own" and client or print
    end)
    client:send("Stored", { ok = ok })
  end)
end

return values
