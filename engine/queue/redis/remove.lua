-- Deletes a job, ARGV[1], that is not reserved. Returns how many.
redis.call("HDEL", REASONS, identity(ARGV[1]))
return redis.call("ZREM", BURIED, ARGV[1])
  + redis.call("ZREM", DELAYED, ARGV[1])
  + remove_ready(ARGV[1])
