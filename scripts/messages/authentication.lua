--- The message with which a connection becomes an admin: it sends the server's key as password.

local fields = require "manager.fields"
local server = require "server"

--- Authenticate {password}. The answer to a wrong password is delayed; other messages are handled
--- meanwhile.
server.message("Authenticate", { protection = "none" }, function(client, message)
  if client:authenticate(fields.text(message, "password") or "") then
    client:send("ConnectionAuthenticated", { connection = client })
  else
    client:prompt()
  end
end)
