--- The message with which a connection becomes an admin: it sends the server's key as password.

local fields = require "manager.fields"
local server = require "server"

--- Authenticate {password}. The answer to a wrong password is delayed; other messages are handled
--- meanwhile. No password helps a client of which the connect hook has said whether it is an admin.
server.message("Authenticate", { protection = "none" }, function(client, message)
  if client:from_connect("admin") then
    return client:fail("NotAllowed", "The application decides who is an admin.", 403)
  end
  if client:authenticate(fields.text(message, "password") or "") then
    client:send("ConnectionAuthenticated", { connection = client })
  else
    client:prompt()
  end
end)
