--- Messages about topics: admins register them, clients subscribe. The field with a topic's name is
--- `topic`, since `name` is the name of the message.

local fields = require "manager.fields"
local server = require "server"

-- Returns the topic that a message names if this client may subscribe to it. Otherwise it tells the
-- client the reason and returns nil.
local function open_topic(client, message)
  local key = fields.text(message, "topic")
  local topic = key and server.topic(key)
  if not topic then
    client:fail("UnknownTopic", "There is no such topic.", 404)
    return nil
  elseif not topic:allows(client) then
    client:prompt()
    return nil
  end
  return topic
end

--- Subscribe {topic = name or uuid}. The protection of the topic decides who may.
server.message("Subscribe", { protection = "none" }, function(client, message)
  local topic = open_topic(client, message)
  if not topic then
    return
  end
  local _, reason = topic:subscribe(client)
  if reason then
    local sentence = "This connection has as many subscriptions as it may have."
    client:fail("TooManySubscriptions", sentence, 429)
  end
end)

--- Unsubscribe {topic = name or uuid}. The protection of the topic decides who may.
server.message("Unsubscribe", { protection = "none" }, function(client, message)
  local topic = open_topic(client, message)
  if topic then
    topic:unsubscribe(client)
  end
end)

--- RegisterTopic {topic = name}
server.message("RegisterTopic", { protection = "admin" }, function(client, message)
  local problem = server.run("RegisterTopic", { name = message.topic })
  if problem then
    client:fail(problem.exception, problem.message, problem.code)
  end
end)

--- UnregisterTopic {topic = name or uuid} or {uuid}
server.message("UnregisterTopic", { protection = "admin" }, function(_, message)
  server.run("UnregisterTopic", { name = message.topic, uuid = message.uuid })
end)
