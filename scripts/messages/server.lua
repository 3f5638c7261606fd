--- The message with which admins stop the server.

local server = require "server"

--- StopServer is handled by the command of that name.
server.message("StopServer", { protection = "admin" })
