--- Another way to write client:fail: it takes the message that it answers, and the problem as a
--- table with the fields `exception`, `message` and `code`.

local exceptions = {}

--- Sends a problem to the client that sent the message, with the message's id if it has one.
function exceptions.send(client, message, problem)
  client:fail(problem.exception, problem.message, problem.code, message)
end

return exceptions
