--- The base manager. An application extends it, and calls the hooks of the base that it overrides:
---
---     local base = require "manager"
---     local manager = base:extend()
---
---     function manager:open(client)
---       base.open(self, client)
---       client:send("Welcome")
---     end
---
---     return manager
---
--- It registers the built-in messages and commands for connections, notifications, topics and the
--- server.

local server = require "server"

local manager = {}

--- Returns a manager that inherits all hooks from this one.
function manager:extend()
  return setmetatable({}, { __index = self })
end

--- Runs once for each generation of scripts, before anything else. Register everything here.
function manager:boot()
  require "commands.connections"
  require "commands.notifications"
  require "commands.server"
  require "commands.topics"

  require "messages.authentication"
  require "messages.connections"
  require "messages.notifications"
  require "messages.registration"
  require "messages.server"
  require "messages.topics"

  -- Messages without a handler: a command handles each of them.
  server.listen("DisconnectAll", "CloseConnections")
  server.listen("DismissNotifications", "DismissNotifications")
  server.listen("StopServer", "StopServer")

  server.work() -- jobs of other programs are taken from the queue
end

--- Runs after `boot` in a reload. It can convert server.state and the clients' fields from the form
--- that the previous scripts used. If it fails, the previous scripts keep running.
function manager:migrate(_from) end

--- Runs for a new connection. The first message tells the client who it is; then all clients see
--- it.
function manager:open(client)
  if type(client) ~= "userdata" then
    error("open got no client: write function manager:open(client) and base.open(self, client)", 2)
  end
  client:send("ConnectionEstablished", { connection = client })
  server.roster()
end

--- Runs when a connection is lost that may come back. Meanwhile it stays open and keeps what it is
--- sent.
function manager:drop(_client) end

--- Runs when a lost connection is back. If the client has not got everything that it missed, or its
--- page was loaded anew, it gets again what `open` sends.
function manager:resume(client, complete)
  if not complete then
    self:open(client)
  end
end

--- Runs after a connection has closed for good; `reason` is the reason of the close frame.
function manager:close(_client, _reason)
  server.roster()
end

--- Runs after a handler has failed for this client. The server has already logged the problem and
--- sent a MessageException; the connection stays open.
function manager:error(_client, _problem) end

--- Runs before the server stops, while connections are still open.
function manager:stop() end

--- Returns what others see of a connection: a table, or the client itself for everything, or nil to
--- leave it off the roster. It is called again only after the connection has changed.
function manager:roster(client)
  local row = client:fields()
  row.email = nil
  row.ip_address = nil
  row.roles = nil
  return row
end

return manager
