--- Admins close connections.

local server = require "server"

local function close_type(kind)
  return function(_, message)
    server.run("CloseConnections", { type = kind, uuid = message.uuid })
  end
end

--- DisconnectPlayers {uuid}: all players, or the one with that uuid.
server.message("DisconnectPlayers", { protection = "admin" }, close_type("player"))

--- DisconnectSpectators {uuid}: all spectators, or the one with that uuid.
server.message("DisconnectSpectators", { protection = "admin" }, close_type("spectator"))

--- DisconnectAll {type, uuid}: everybody, narrowed by what is given. A command listens to it.
server.message("DisconnectAll", { protection = "admin" })
