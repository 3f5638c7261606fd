--- The base manager: what every application begins with. Applications extend it and call what they
--- override:
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
--- It registers the messages and commands of connections, notifications, topics and the server
--- itself.

local server = require "server"

local manager = {}

--- Makes a manager that has all hooks of this one until it brings its own.
function manager:extend()
  return setmetatable({}, { __index = self })
end

--- Runs once for each generation of the scripts, before its first turn: everything is registered
--- here.
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

  -- The connection pool, the notifier, the server's administration: messages that a command handles
  -- as they come.
  server.listen("DisconnectAll", "CloseConnections")
  server.listen("DismissNotifications", "DismissNotifications")
  server.listen("StopServer", "StopServer")

  server.work() -- jobs of other programs are taken from the queue
end

--- Runs after `boot` when the scripts were reloaded: what earlier scripts have left in server.state
--- and in the clients' fields can be brought into a new form. An error keeps those scripts running.
function manager:migrate(_from) end

--- Runs for a new connection. Its first frame says who it is; then everybody sees it.
function manager:open(client)
  if type(client) ~= "userdata" then
    error("open got no client: write function manager:open(client) and base.open(self, client)", 2)
  end
  client:send("ConnectionEstablished", { connection = client })
  server.roster()
end

--- Runs after a connection has closed; `reason` is the reason it closed with.
function manager:close(_client, _reason)
  server.roster()
end

--- Runs after a message of this client has failed. The log has the problem already and the client a
--- MessageException; the connection stays open.
function manager:error(_client, _problem) end

--- Runs when the server stops, while connections are still open.
function manager:stop() end

--- What others see of a connection: a table or the client itself; nil keeps it off the roster. It
--- is asked again only when the connection has changed.
function manager:roster(client)
  local row = client:fields()
  row.email = nil
  row.ip_address = nil
  return row
end

return manager
