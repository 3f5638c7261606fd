-- The connect hook knows alice wholly, of bob that he is a spectator, and of carol nothing.
local base = require "manager"
local server = require "server"

local app = base:extend()
local known = {
  {
    user = "7",
    name = "Ann",
    email = "ann@example.com",
    type = "player",
    roles = { "agent" },
    admin = false,
    score = 3,
  },
  { type = "spectator" },
}
local came = 0

function app:connect()
  came = came + 1
  return known[came]
end

function app:boot()
  base.boot(self)
  server.remove_message("NotifyConnection")
  server.remove_message("DisconnectAll")
  server.message("DisconnectAll", { protection = "none" }, function(client)
    client:send("Nobody")
  end)

  server.message("Marry", { protection = "none", roles = { "agent" } }, function(client)
    client.name = "Ann Bell"
    local given, unknown = client:from_connect("name"), client:from_connect("age")
    client:send("Married", { given = given and not unknown })
  end)
end

return app
