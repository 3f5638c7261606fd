-- Refuses pages without a ticket for good, and one with the ticket "busy" once.
local base = require "manager"

local app = base:extend()
local asked = 0

function app:connect(request)
  local ticket = request.cookies.ticket
  if not ticket then
    return false, 401, "Sign in first."
  end
  asked = asked + 1
  if ticket == "busy" and asked == 1 then
    return false, 503, "Too many people."
  end
  return { user = ticket }
end

return app
