--- Commands that control the server.

local server = require "server"

--- StopServer stops the server gracefully with a close code that makes clients reconnect. A
--- supervisor starts the server again.
server.command("StopServer", function()
  server.stop()
end)
