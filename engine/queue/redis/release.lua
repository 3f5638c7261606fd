-- Delays a reserved job, ARGV[1], by ARGV[2] seconds. Returns how many.
if redis.call("ZREM", RESERVED, ARGV[1]) == 0 then
  return 0
end
redis.call("ZADD", DELAYED, now() + ARGV[2], ARGV[1])
return 1
