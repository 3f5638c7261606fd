--- The message with which admins stop the server.

local exceptions = require "manager.exceptions"
local server = require "server"

--- StopServer is handled by the command of that name. If there seems to be no supervisor, the admin
--- is told before the server stops.
server.message("StopServer", { protection = "admin" }, function(client, message)
  if not server.supervisor() then
    exceptions.send(client, message, {
      exception = "NoSupervisor",
      message = "The server stops. No supervisor was recognized that starts it again.",
      code = 503,
    })
  end
end)
