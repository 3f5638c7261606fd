--- Tells clients that a request was not carried out. A problem is a table with three fields:
--- `exception`, a stable word for programs; `message`, a sentence for people; `code`, a number like
--- those of HTTP.

local exceptions = {}

local USAGE = "write exceptions.send(client, message, "
  .. '{ exception = "NoItem", message = "Say what you would like.", code = 422 })'

--- Returns what is wrong with the arguments of `send`, or nil.
local function fault(client, message, problem)
  if type(client) ~= "userdata" then
    return "client is a " .. type(client)
  elseif type(message) ~= "table" then
    return "message is a " .. type(message)
  elseif type(problem) ~= "table" then
    return "problem is a " .. type(problem)
  end
  for field, kind in pairs({ exception = "string", message = "string", code = "number" }) do
    if type(problem[field]) ~= kind then
      return "problem." .. field .. " is a " .. type(problem[field])
    end
  end
end

--- Sends a problem to the client that sent the message, with the message's id if it has one.
function exceptions.send(client, message, problem)
  local wrong = fault(client, message, problem)
  if wrong then
    error(wrong .. ": " .. USAGE, 2)
  end
  local id = message.id
  if type(id) == "number" then
    id = tostring(id)
  end
  client:send("MessageException", {
    exception = problem.exception,
    message = problem.message,
    code = problem.code,
    previous = type(id) == "string" and id or nil,
  })
end

return exceptions
