-- Handlers that start programs; which ones there are stands in transcript_test.go.
local base = require("manager")
local server = require("server")

local processes = base:extend()

function processes:boot()
  base.boot(self)

  server.message("Say", { protection = "none" }, function(client, message)
    local process = server.execute("say", {
      args = { message.word },
      on_output = function(line)
        client:send("Line", { line = line })
      end,
      on_error = function(line)
        client:send("ErrorLine", { line = line })
      end,
      on_exit = function(code)
        client:send("Exited", { code = code })
      end,
    })
    local before = process.exit_code
    local code = process:wait()
    client:send("Said", {
      code = code,
      kept = process.exit_code,
      before = before,
      running = process.running,
      pid = process.pid > 0,
      text = tostring(process),
    })
  end)

  -- A process that is spoken to; other turns go on while a callback waits.
  local cat
  server.message("Open", { protection = "none" }, function(client)
    cat = server.execute("cat", {
      on_output = function(line)
        server.sleep(5)
        client:send("Echo", { line = line })
      end,
    })
    client:send("Opened", { running = cat.running })
  end)
  server.message("Write", { protection = "none" }, function(_, message)
    cat:write(message.text .. "\n")
  end)
  server.message("Shut", { protection = "none" }, function(client)
    cat:terminate()
    local code = cat:wait()
    local written, reason = cat:write("late")
    client:send("Shut", { code = code, written = written or false, reason = reason })
  end)

  server.message("Pipe", { protection = "none" }, function(client)
    local lines = {}
    local count = server.execute("count")
    local sort = server.execute("sort", {
      on_output = function(line)
        lines[#lines + 1] = line
      end,
    })
    server.pipe(count, sort)
    sort:wait()
    client:send("Piped", { lines = lines })
  end)

  server.message("Wrong", { protection = "none" }, function(client)
    local said = {}
    for _, attempt in ipairs({
      { "sh" },
      { "cat", { args = { "/etc/passwd" } } },
      { "say", { args = { "$(reboot)" } } },
      { "say", { args = "x" } },
      { "say", { on_output = "x" } },
      { "say", { restart = 1 } },
      { "say", { shell = true } },
    }) do
      local _, problem = pcall(server.execute, attempt[1], attempt[2])
      said[#said + 1] = (problem:gsub("^%S+:%d+: ", ""))
    end
    local process, reason = server.execute("missing")
    client:send("Wronged", { said = said, started = process ~= nil, reason = reason })
  end)
end

return processes
