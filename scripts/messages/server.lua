--- Admins run the server.

local server = require "server"

--- StopServer: a command listens to it.
server.message("StopServer", { protection = "admin" })
