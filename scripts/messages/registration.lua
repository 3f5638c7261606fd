--- Messages with which an anonymous connection becomes a player or a spectator.

local fields = require "manager.fields"
local server = require "server"

-- Converts the registration of a client to the arguments of RegisterConnection.
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
