--- Commands about the server itself.

local server = require "server"

--- StopServer: a graceful stop. Clients are told to come back, and a supervisor starts the server
--- again.
server.command("StopServer", function()
  server.stop()
end)
