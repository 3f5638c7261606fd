--- Messages with which clients ping each other.

local server = require "server"

--- NotifyConnection {receiver}. The sender is always the connection itself; a `sender` in the
--- message is ignored.
server.message("NotifyConnection", { protection = "none" }, function(client, message)
  server.run("NotifyConnection", { sender = client.uuid, receiver = message.receiver })
end)

--- DismissNotifications {connection} clears the connection's own notifications; an admin may clear
--- those of others. A command handles it.
server.message("DismissNotifications", { protection = "client", owner = "connection" })
