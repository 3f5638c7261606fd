--- Commands about notifications: "somebody pinged you", one for each sender, kept until dismissed.

local fields = require "manager.fields"
local server = require "server"

-- Every frame has all notifications of its receiver, and anybody may ping. Frames to one receiver
-- are at least this many milliseconds apart: quick for a person, and not much for a connection.
local INTERVAL = 100

-- By uuid, for INTERVAL after a frame: whether there is something new since.
local news = {}

local function tell(client)
  client:send("UpdateNotifications", { notifications = client:notifications() })
end

local function tell_soon(client)
  local uuid = client.uuid
  if news[uuid] ~= nil then
    news[uuid] = true
    return
  end
  news[uuid] = false
  tell(client)
  server.after(INTERVAL, function()
    local more = news[uuid]
    news[uuid] = nil
    if more and client.open then
      tell_soon(client)
    end
  end)
end

--- NotifyConnection {sender, receiver}, both uuids. An unknown receiver does nothing.
server.command("NotifyConnection", function(arguments)
  local sender = fields.text(arguments, "sender")
  local uuid = fields.text(arguments, "receiver")
  local receiver = uuid and server.connections():find(uuid)
  if receiver and sender then
    receiver:notify(sender)
    tell_soon(receiver)
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
    if news[client.uuid] then
      news[client.uuid] = false -- it has just been told
    end
  end
end)
