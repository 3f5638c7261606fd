--- Commands that control the server.

local log = require "log"
local server = require "server"

--- StopServer stops the server gracefully with a close code that makes clients reconnect. A
--- supervisor starts the server again. If none was recognized, the log and the result say so.
server.command("StopServer", function()
  server.stop()
  if not server.supervisor() then
    local warning = "no supervisor was recognized that starts the server again"
    log.warn("StopServer: " .. warning)
    return { warning = warning }
  end
end)
