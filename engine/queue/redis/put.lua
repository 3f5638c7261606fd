-- Puts a job, ARGV[1], which is ready after ARGV[2] seconds.
if tonumber(ARGV[2]) > 0 then
  redis.call("ZADD", DELAYED, now() + ARGV[2], ARGV[1])
else
  ready(ARGV[1])
end
return 1
