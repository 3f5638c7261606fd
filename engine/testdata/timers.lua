-- Timers that repeat, pause, go on and end.
local base = require("manager")
local server = require("server")

local timers = base:extend()

function timers:boot()
  base.boot(self)
  server.every(3600000, "Never") -- which is registered below
  server.message("Mistype", { protection = "none" }, function(client)
    local ok, problem = pcall(server.every, 1000, "Nevr")
    client:send("Mistyped", { ok = ok, problem = problem })
  end)
  server.message("Tick", { protection = "none" }, function(client)
    local timer
    timer = server.every(5, function(word)
      client:send("Ticked", { word = word, count = timer.count })
      if timer.count == 2 then
        timer:cancel()
      end
    end, "tick")
  end)
  server.message("Pause", { protection = "none" }, function(client)
    local timer = server.after(5, function()
      client:send("Resumed")
    end)
    timer:pause()
    server.sleep(20)
    client:send("Paused", { running = timer.running, count = timer.count })
    timer:resume()
  end)
  server.message("Timeout", { protection = "none" }, function(client)
    local timer = server.every(600000, "Never", nil, { timeout = 10 })
    while timer.running do
      server.sleep(5)
    end
    client:send("TimedOut", { running = timer.running, resumes = pcall(timer.resume, timer) })
  end)
  server.command("Never", function()
    server.broadcast("Never")
  end)
end

return timers
