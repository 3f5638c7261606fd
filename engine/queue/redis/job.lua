-- What all scripts share.
local READY, DELAYED, RESERVED, NOTIFY, BURIED, REASONS = unpack(KEYS)

local function now()
  local time = redis.call("TIME")
  return time[1] + time[2] / 1000000
end

-- scan returns where the values of a JSON object's own members id, attempts and crashes stand, each as {first, last}.
local function scan(json)
  local found, depth, at = {}, 0, 1
  while true do
    local first, _, c = string.find(json, '(["{}%[%]])', at)
    if not first then
      return found
    end
    at = first + 1
    if c == '"' then
      repeat
        local last, _, ends = string.find(json, '(["\\])', at)
        if not last then
          return found
        end
        at = last + (ends == '"' and 1 or 2)
      until ends == '"'
      local name = depth == 1 and string.sub(json, first + 1, at - 2)
      if name == "id" then
        local from, to = string.match(json, '^%s*:%s*"()[^"\\]+()"', at)
        found.id = from and { from, to - 1 }
      elseif name == "attempts" or name == "crashes" then
        local from, to = string.match(json, "^%s*:%s*()%d+()%s*[,}]", at)
        found[name] = from and { from, to - 1 }
      end
    else
      depth = depth + ((c == "{" or c == "[") and 1 or -1)
    end
  end
end

-- members is scan, but fast for what Laravel writes: its own members stand last.
local function members(json)
  local tail = math.max(1, #json - 120)
  local i, j, a, b = string.match(json, '[,{]"id":"()[%w-]+()","attempts":()%d+()}$', tail)
  if a then
    return { id = { i, j - 1 }, attempts = { a, b - 1 } }
  end
  return scan(json)
end

local function replace(text, at, value)
  return string.sub(text, 1, at[1] - 1) .. value .. string.sub(text, at[2] + 1)
end

-- add adds to the number at a place.
local function add(text, at, n)
  return replace(text, at, math.max(0, string.sub(text, at[1], at[2]) + n))
end

-- wrapped returns where the attempts and the crashes stand in a job that is not Laravel's: perigee:ID:ATTEMPTS:CRASHES:BODY.
local function wrapped(job)
  local a, b, c, d, body = string.match(job, "^perigee:%w+:()%d+():()%d+():()")
  if a then
    return { attempts = { a, b - 1 }, crashes = { c, d - 1 }, body = body }
  end
end

-- reserved returns a job with one more attempt, as it is reserved. If one that looks the same is reserved already, it gets another ID.
local function reserved(job, id)
  local at = wrapped(job) or string.sub(job, 1, 1) == "{" and members(job) or {}
  if not at.body and not (at.id and at.attempts) then
    return "perigee:" .. id .. ":1:0:" .. job
  end
  local text = add(job, at.attempts, 1)
  if at.id and redis.call("ZSCORE", RESERVED, text) then
    return reserved(replace(job, at.id, id), id)
  end
  return text
end

-- crashed returns a reserved job with one more crash, as it becomes ready when its time is over.
local function crashed(job)
  local at = wrapped(job) or members(job)
  if at.crashes then
    return add(job, at.crashes, 1)
  end
  return (string.gsub(job, "}%s*$", ',"crashes":1}'))
end

-- untried returns a reserved job with one attempt less, as it was before.
local function untried(job)
  local at = wrapped(job) or members(job)
  local text = add(job, at.attempts, -1)
  if at.body and string.find(text, "^perigee:%w+:0:0:") then
    return string.sub(text, at.body)
  end
  return text
end

-- identity returns the ID of a job, or the whole text of one that was never reserved and has none.
local function identity(job)
  local at = members(job)
  return string.match(job, "^perigee:(%w+):%d+:%d+:")
    or at.id and string.sub(job, at.id[1], at.id[2])
    or job
end

-- pardoned returns a buried job without its crashes and its reason.
local function pardoned(job)
  redis.call("HDEL", REASONS, identity(job))
  local at = wrapped(job) or members(job)
  return at.crashes and replace(job, at.crashes, 0) or job
end

-- ready makes a job ready, behind all others or before them.
local function ready(job, push)
  redis.call(push or "RPUSH", READY, job)
  redis.call("RPUSH", NOTIFY, 1)
end

-- remove_ready deletes a job that is ready, and returns how many.
local function remove_ready(job)
  local n = redis.call("LREM", READY, 1, job)
  if n > 0 then
    redis.call("LPOP", NOTIFY)
  end
  return n
end
