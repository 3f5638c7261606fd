--- Messages with which admins close connections.

local server = require "server"

local function close_type(kind)
  return function(_, message)
    server.run("CloseConnections", { type = kind, uuid = message.uuid })
  end
end

--- DisconnectPlayers {uuid} closes all players, or the one with that uuid.
server.message("DisconnectPlayers", { protection = "admin" }, close_type("player"))

--- DisconnectSpectators {uuid} closes all spectators, or the one with that uuid.
server.message("DisconnectSpectators", { protection = "admin" }, close_type("spectator"))

--- DisconnectAll {type, uuid} closes all connections that match the given fields. A command handles
--- it.
server.message("DisconnectAll", { protection = "admin" })
