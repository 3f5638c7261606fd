-- Reserves a job, ARGV[1], for ARGV[2] seconds more. Returns how many.
if not redis.call("ZSCORE", RESERVED, ARGV[1]) then
  return 0
end
redis.call("ZADD", RESERVED, now() + ARGV[2], ARGV[1])
return 1
