--- Commands about notifications: "somebody pinged you", one for each sender, kept until dismissed.

local fields = require "manager.fields"
local server = require "server"

local function tell(client)
  client:send("UpdateNotifications", { notifications = client:notifications() })
end

--- NotifyConnection {sender, receiver}, both uuids. An unknown receiver does nothing.
server.command("NotifyConnection", function(arguments)
  local sender = fields.text(arguments, "sender")
  local uuid = fields.text(arguments, "receiver")
  local receiver = uuid and server.connections():find(uuid)
  if receiver and sender then
    receiver:notify(sender)
    tell(receiver)
  end
end)

--- DismissNotifications {connection}, the uuid of whose notifications are cleared; jobs may also
--- call it `uuid`.
server.command("DismissNotifications", function(arguments)
  local uuid = fields.text(arguments, "connection") or fields.text(arguments, "uuid")
  local client = uuid and server.connections():find(uuid)
  if client then
    client:dismiss()
    tell(client)
  end
end)
