--- Tells clients that what they asked for was not done. A problem is a table of three: `exception`,
--- a stable word for programs; `message`, a sentence for people; `code`, a number after the manner
--- of HTTP.

local exceptions = {}

--- Sends a problem to the client whose message met it, with the message's id where it had one.
function exceptions.send(client, message, problem)
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
