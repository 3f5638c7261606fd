--- Commands about notifications. A notification says that another client pinged this one. The
--- server keeps one for each sender until it is dismissed.

local fields = require "manager.fields"
local server = require "server"

-- Minimum time between two UpdateNotifications to one receiver, in milliseconds. Each contains all
-- notifications of the receiver, and any client may ping it.
local INTERVAL = 100

-- By uuid, until INTERVAL after an update: true if the notifications have changed since the update.
local changed = {}

local function tell(client)
  client:send("UpdateNotifications", { notifications = client:notifications() })
end

local function tell_soon(client)
  local uuid = client.uuid
  if changed[uuid] ~= nil then
    changed[uuid] = true
    return
  end
  changed[uuid] = false
  tell(client)
  server.after(INTERVAL, function()
    local more = changed[uuid]
    changed[uuid] = nil
    if more and client.open then
      tell_soon(client)
    end
  end)
end

--- NotifyConnection {sender, receiver} adds a notification; both are uuids. An unknown receiver has
--- no effect.
server.command("NotifyConnection", function(arguments)
  local sender = fields.text(arguments, "sender")
  local uuid = fields.text(arguments, "receiver")
  local receiver = uuid and server.connections():find(uuid)
  if receiver and sender then
    receiver:notify(sender)
    tell_soon(receiver)
  end
end)

--- DismissNotifications {connection} clears the notifications of the connection with that uuid.
--- Jobs may call the field `uuid` too.
server.command("DismissNotifications", function(arguments)
  local uuid = fields.text(arguments, "connection") or fields.text(arguments, "uuid")
  local client = uuid and server.connections():find(uuid)
  if client then
    client:dismiss()
    tell(client)
    if changed[client.uuid] then
      changed[client.uuid] = false -- it has just been told
    end
  end
end)
