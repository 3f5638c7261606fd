--- Connections are anonymous until they join as a player or as a spectator.

local fields = require "manager.fields"
local server = require "server"

-- The registration that a client sends, as RegisterConnection takes it.
local function join_as(kind)
  return function(client, message)
    server.run("RegisterConnection", {
      connection = {
        uuid = client.uuid,
        first_name = fields.get(message, "registration", "name", "first"),
        last_name = fields.get(message, "registration", "name", "last"),
        email = fields.get(message, "registration", "email"),
        type = kind,
      },
    })
  end
end

--- JoinAsPlayer {registration = {name = {first, last}, email}}
server.message("JoinAsPlayer", { protection = "none" }, join_as("player"))

--- JoinAsSpectator {registration = {name = {first, last}, email}}
server.message("JoinAsSpectator", { protection = "none" }, join_as("spectator"))
