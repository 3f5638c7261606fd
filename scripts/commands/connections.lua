--- Commands that register and close connections.

local fields = require "manager.fields"
local server = require "server"

-- Maximum length of a name, an e-mail address and a type in bytes. Longer ones are cut. No valid
-- address is longer (RFC 5321, 4.5.3.1.3).
local MAX_NAME = 200
local MAX_EMAIL = 254
local MAX_TYPE = 64

-- Returns text without surrounding whitespace, or nil if nothing is left. It takes linear time,
-- also for long runs of whitespace.
local function trim(text)
  local first = text:find("%S")
  return first and text:sub(first):match("^.*%S")
end

-- Returns first and last name, or the one of them that is known.
local function full_name(registration)
  local parts = {}
  for _, part in ipairs({ "first_name", "last_name" }) do
    parts[#parts + 1] = trim(fields.text(registration, part) or "")
  end
  return #parts > 0 and table.concat(parts, " ") or "Anonymous"
end

--- RegisterConnection {connection = {uuid, first_name, last_name, email, type}, by_client} sets the
--- name, the email and the type of a connection. With by_client it is the client itself that asks
--- for that: the fields that the connect hook has returned stay as they are. An unknown uuid has no
--- effect.
server.command("RegisterConnection", function(arguments)
  local registration = fields.get(arguments, "connection")
  local uuid = fields.text(registration, "uuid")
  local client = uuid and server.connections():find(uuid)
  if not client then
    return
  end

  local values = {
    name = fields.clip(full_name(registration), MAX_NAME),
    email = fields.clip(fields.text(registration, "email") or "Not Available", MAX_EMAIL),
    type = fields.clip(fields.text(registration, "type") or "anonymous", MAX_TYPE),
  }
  local by_client = fields.get(arguments, "by_client")
  for field, value in pairs(values) do
    if not (by_client and client:from_connect(field)) then
      client[field] = value
    end
  end

  client:send("ConnectionRegistered", { connection = client })
  server.roster()
end)

--- CloseConnections {uuid, type} closes the connections that match every given field: all, if none
--- is given. A value of the wrong type matches none.
server.command("CloseConnections", function(arguments)
  local uuid = fields.get(arguments, "uuid")
  local kind = fields.get(arguments, "type")
  local function matches(client)
    return (uuid == nil or client.uuid == uuid) and (kind == nil or client.type == kind)
  end
  server.connections():where(matches):close()
end)
