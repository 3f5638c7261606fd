--- Clients ping each other.

local server = require "server"

--- NotifyConnection {receiver}. The sender is always the connection itself, whatever the message
--- says.
server.message("NotifyConnection", { protection = "none" }, function(client, message)
  server.run("NotifyConnection", { sender = client.uuid, receiver = message.receiver })
end)

--- DismissNotifications {connection}: of oneself, or of anybody as an admin. A command listens to
--- it.
server.message("DismissNotifications", { protection = "client", owner = "connection" })
