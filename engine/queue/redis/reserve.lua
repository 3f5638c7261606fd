-- Makes jobs ready that are due, reserves up to ARGV[2] for ARGV[1] seconds, and returns them, with the seconds until the next job
-- will be due, or "". ARGV[3] begins the IDs of jobs that have none.
local at = now()
local due = ""
for _, set in ipairs({ { DELAYED, tostring }, { RESERVED, crashed } }) do
  local from, change = unpack(set)
  for _, job in ipairs(redis.call("ZRANGEBYSCORE", from, "-inf", at, "LIMIT", 0, 500)) do
    redis.call("ZREM", from, job)
    ready(change(job))
  end
  local first = redis.call("ZRANGE", from, 0, 0, "WITHSCORES")[2]
  if first and (due == "" or first - at < due) then
    due = first - at
  end
end
local jobs = {}
for n = 1, tonumber(ARGV[2]) do
  local job = redis.call("LPOP", READY)
  if not job then
    break
  end
  jobs[n] = reserved(job, ARGV[3] .. n)
  redis.call("ZADD", RESERVED, at + ARGV[1], jobs[n])
  redis.call("LPOP", NOTIFY)
end
return { jobs, tostring(due) }
