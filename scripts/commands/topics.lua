--- Commands about topics: named sets of connections. Every connection hears of a new or removed
--- topic (UpdateTopics).

local fields = require "manager.fields"
local server = require "server"

local MAX_NAME = 255 -- bytes

--- RegisterTopic {name}: a topic that everybody may subscribe to; one that is there stays as it is.
--- Returns the problem where there is one.
server.command("RegisterTopic", function(arguments)
  local name = fields.text(arguments, "name")
  if not name or #name > MAX_NAME then
    local sentence = "A topic needs a name of at most " .. MAX_NAME .. " bytes."
    return { exception = "InvalidFields", message = sentence, code = 422 }
  end
  if not server.topic(name) then
    server.register(name, { protection = "none" })
  end
end)

--- UnregisterTopic {uuid} or {name}. An unknown topic does nothing.
server.command("UnregisterTopic", function(arguments)
  local key = fields.text(arguments, "uuid") or fields.text(arguments, "name")
  local topic = key and server.topic(key)
  if topic then
    server.unregister(topic)
  end
end)
