-- Makes a buried or delayed job, ARGV[1], ready. Returns how many.
if redis.call("ZREM", BURIED, ARGV[1]) + redis.call("ZREM", DELAYED, ARGV[1]) == 0 then
  return 0
end
ready(pardoned(ARGV[1]))
return 1
