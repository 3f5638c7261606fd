-- Makes a reserved job, ARGV[1], ready again before all others, as if it had not been reserved. Returns how many.
if redis.call("ZREM", RESERVED, ARGV[1]) == 0 then
  return 0
end
ready(untried(ARGV[1]), "LPUSH")
return 1
