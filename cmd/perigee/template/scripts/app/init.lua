--- A button that every client can press and watch.

local base = require "manager"
local server = require "server"

local app = base:extend()

-- Plain data that is kept across restarts.
local button = server.state("button", { presses = 0 })

local function tell()
  server.broadcast("UpdateButton", { presses = button.presses, by = button.by })
end

function app:boot()
  base.boot(self)

  --- Press: for all clients.
  server.message("Press", { protection = "none" }, function(client)
    button.presses = button.presses + 1
    button.by = client.name
    tell()
  end)

  --- Rename {connection, nickname}: for the connection with that UUID, and for admins. Messages
  --- that do not match the schema are refused.
  server.message("Rename", {
    protection = "client",
    owner = "connection",
    schema = {
      required = { "connection", "nickname" },
      properties = {
        connection = { type = "string" },
        nickname = { type = "string", minLength = 1, maxLength = 40 },
      },
    },
  }, function(_, message)
    local client = server.connections():find(message.connection)
    if client then
      client.name = message.nickname -- all clients are told
    end
  end)

  --- Reset: for admins. Other clients are asked for the password first.
  server.message("Reset", { protection = "admin" }, function()
    button.presses = 0
    button.by = nil
    tell()
  end)
end

--- Runs for every new connection.
---@param client perigee.Client
function app:open(client)
  base.open(self, client)
  client:send("UpdateButton", { presses = button.presses, by = button.by })
end

return app
