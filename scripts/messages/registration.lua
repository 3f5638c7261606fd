--- Messages with which a connection becomes a player or a spectator. They change no field that the
--- connect hook has returned, and are refused if it has returned another type.

local fields = require "manager.fields"
local server = require "server"

-- Registers the message that converts the registration of a client to the arguments of
-- RegisterConnection.
local function join_as(kind, name)
  server.message(name, {
    protection = "none",
    prompt = "Sign in to join as a " .. kind .. ".",
    authorize = function(client)
      return client.type == kind or not client:from_connect("type")
    end,
  }, function(client, message)
    server.run("RegisterConnection", {
      by_client = true,
      connection = {
        uuid = client.uuid,
        first_name = fields.get(message, "registration", "name", "first"),
        last_name = fields.get(message, "registration", "name", "last"),
        email = fields.get(message, "registration", "email"),
        type = kind,
      },
    })
  end)
end

--- JoinAsPlayer {registration = {name = {first, last}, email}}
join_as("player", "JoinAsPlayer")

--- JoinAsSpectator {registration = {name = {first, last}, email}}
join_as("spectator", "JoinAsSpectator")
