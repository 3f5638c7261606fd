--- The message with which admins stop the server.

local server = require "server"

--- StopServer is handled by the command of that name. If there seems to be no supervisor, the admin
--- is told before the server stops.
server.message("StopServer", { protection = "admin" }, function(client)
  if not server.supervisor() then
    local sentence = "The server stops. No supervisor was recognized that starts it again."
    client:fail("NoSupervisor", sentence, 503)
  end
end)
