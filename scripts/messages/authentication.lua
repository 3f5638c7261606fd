--- Who knows the server's password is an admin from then on.

local fields = require "manager.fields"
local server = require "server"

--- Authenticate {password}. The answer to a wrong password takes a moment; other messages go on
--- meanwhile.
server.message("Authenticate", { protection = "none" }, function(client, message)
  if client:authenticate(fields.text(message, "password") or "") then
    client:send("ConnectionAuthenticated", { connection = client })
  else
    client:prompt()
  end
end)
