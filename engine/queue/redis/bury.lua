-- Buries a reserved job, ARGV[1], for the reason ARGV[2]. Returns how many.
if redis.call("ZREM", RESERVED, ARGV[1]) == 0 then
  return 0
end
redis.call("ZADD", BURIED, now(), ARGV[1])
redis.call("HSET", REASONS, identity(ARGV[1]), ARGV[2])
return 1
