-- Makes up to ARGV[1] buried jobs ready, or delayed ones if none is buried. Returns how many.
local from = redis.call("EXISTS", BURIED) == 1 and BURIED or DELAYED
local jobs = redis.call("ZRANGE", from, 0, ARGV[1] - 1)
for _, job in ipairs(jobs) do
  redis.call("ZREM", from, job)
  ready(pardoned(job))
end
return #jobs
