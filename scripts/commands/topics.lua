--- Commands that register and remove topics, which are named sets of connections. All clients are
--- told of the listed ones (UpdateTopics).

local fields = require "manager.fields"
local server = require "server"

local MAX_NAME = 255 -- bytes

--- RegisterTopic {name} registers a listed topic to which all clients may subscribe. An existing
--- topic stays unchanged. Returns nil, or the problem.
server.command("RegisterTopic", function(arguments)
  local name = fields.text(arguments, "name")
  if not name or #name > MAX_NAME then
    local sentence = "A topic needs a name of at most " .. MAX_NAME .. " bytes."
    return { exception = "InvalidFields", message = sentence, code = 422 }
  end
  if not server.topic(name) then
    server.register(name, { protection = "none", listed = true })
  end
end)

--- UnregisterTopic {uuid} or {name} removes a topic. An unknown one has no effect.
server.command("UnregisterTopic", function(arguments)
  local key = fields.text(arguments, "uuid") or fields.text(arguments, "name")
  local topic = key and server.topic(key)
  if topic then
    server.unregister(topic)
  end
end)
