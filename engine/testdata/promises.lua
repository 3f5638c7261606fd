-- Results that come later.
local base = require("manager")
local server = require("server")

local promises = base:extend()

-- Answers a message with what happened in it, in order.
local function scene(name, play)
  server.message(name, { protection = "none" }, function(client, message)
    local said = {}
    local function say(word)
      said[#said + 1] = tostring(word)
    end
    play(say, client, message)
    client:send(name .. "Done", { said = said })
  end)
end

local double = server.async(function(n)
  server.sleep(1)
  return n * 2
end)

local fail = server.async(function(reason)
  server.sleep(1)
  error(reason, 0)
end)

local function later(value, ms)
  return server.promise(function(resolve)
    server.after(ms or 1, function()
      resolve(value)
    end)
  end)
end

local function never()
  return server.promise(function() end)
end

local function awaits()
  scene("Await", function(say)
    say(double(21):await())
    say(later("value"):await())
    local ok, reason = pcall(function()
      return fail("no luck"):await()
    end)
    say(ok)
    say(reason)
    local direct = fail("directly")
    say(select(2, pcall(direct.await, direct)))
    local _, problem = pcall(function()
      fail({ code = 7 }):await()
    end)
    say(problem.code)
  end)

  scene("Nested", function(say)
    local sum = 0
    local function add(n)
      for _, part in ipairs({ n, n + 1 }) do
        local ok, value = pcall(function()
          return double(part):await()
        end)
        sum = sum + (ok and value or 0)
      end
    end
    for i = 1, 3 do
      add(i)
    end
    say(sum)
    local produce = coroutine.wrap(function()
      for i = 1, 2 do
        coroutine.yield(double(i):await())
      end
    end)
    say(produce() + produce())
  end)

  scene("Executor", function(say)
    local first = server.promise(function(resolve, reject)
      say("at once")
      resolve("first")
      resolve("second")
      reject("third")
      error("ignored")
    end)
    say(first:await())
    local _, reason = pcall(function()
      server
        .promise(function()
          error("broken", 0)
        end)
        :await()
    end)
    say(reason)
    say(tostring(first) .. ", " .. tostring(never()))
  end)
end

local function chains()
  scene("Chain", function(say)
    local value = double(1)
      :next(function(n)
        return n + 1
      end)
      :next(function(n)
        return double(n)
      end)
      :next(nil, function()
        return "never"
      end)
      :next(function(n)
        error("odd " .. n, 0)
      end)
      :next(function()
        say("never")
      end)
      :catch(function(reason)
        return reason .. " was caught"
      end)
      :await()
    say(value)
  end)

  scene("Order", function(say)
    local settleFirst, settleSecond
    local first = server.promise(function(resolve)
      settleFirst = resolve
    end)
    local second = server.promise(function(resolve)
      settleSecond = resolve
    end)
    local words = server.async(function(promise, word)
      say(promise:await() .. " " .. word)
    end)
    local seen = {
      first:next(function(value)
        say(value .. " a")
      end),
      first:next(function(value)
        say(value .. " b")
      end),
      second:next(function(value)
        say(value .. " a")
      end),
      words(second, "c"),
      words(first, "c"),
      second:next(function()
        settleFirst("first")
        say("released")
      end),
      second:next(function(value)
        say(value .. " d")
      end),
    }
    server.async(settleSecond)("second") -- runs after the two calls of words
    say("asked")
    server.all(seen):await()
  end)

  scene("Itself", function(say)
    local resolve
    local promise = server.promise(function(given)
      resolve = given
    end)
    resolve(promise)
    local _, reason = pcall(promise.await, promise)
    say(reason)
  end)
end

local function several()
  scene("All", function(say)
    local values = server.all({ double(1), later("x", 20), 7, name = later("n") }):await()
    say(#values .. " " .. values[1] .. " " .. values[2] .. " " .. values[3] .. " " .. values.name)
    say(#server.all({}):await())
    local _, reason = pcall(function()
      server.all({ never(), fail("one failed"), double(1) }):await()
    end)
    say(reason)
  end)

  scene("Race", function(say)
    say(server.race({ never(), later("quick"), later("slow", 600000) }):await())
    say(server.race({ never(), "there already" }):await())
    local _, reason = pcall(function()
      server.race({ never(), fail("first to fail") }):await()
    end)
    say(reason)
    say((pcall(server.race, {})))
  end)
end

local function cancels()
  scene("Cancel", function(say)
    local begins, wakes
    local begun = server.promise(function(resolve)
      begins = resolve
    end)
    local work = server.async(function()
      begins()
      local ok, reason = pcall(server.sleep, 60000)
      say(ok)
      say(reason)
      ok, reason = pcall(server.sleep, 1)
      say(ok)
      say(reason)
      wakes()
    end)
    local awake = server.promise(function(resolve)
      wakes = resolve
    end)
    local promise = work()
    begun:await()
    promise:cancel()
    promise:cancel()
    awake:await()
    local _, reason = pcall(function()
      promise:await()
    end)
    say(reason)
    say(promise
      :catch(function(why)
        return "caught " .. why
      end)
      :await())
  end)

  scene("CancelEarly", function(say)
    local promise = server.async(function()
      say("never")
    end)()
    promise:cancel()
    local _, reason = pcall(promise.await, promise)
    say(reason)
    local settled = later("kept")
    settled:await()
    settled:cancel()
    say(settled:await())
    local pending = later("too late")
    pending:cancel()
    server.sleep(5)
    say(select(
      2,
      pcall(function()
        pending:await()
      end)
    ))
  end)
end

function promises:boot()
  base.boot(self)
  awaits()
  chains()
  several()
  cancels()

  -- What happens in a turn of its own still belongs to the message.
  server.message("Secret", { protection = "none" }, function(client)
    double(2):next(function(value)
      client.score = value
      client:prompt()
    end)
  end)
end

return promises
