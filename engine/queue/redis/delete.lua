-- Deletes a reserved job, ARGV[1], or one that became ready because its time was over. Returns how many.
if redis.call("ZREM", RESERVED, ARGV[1]) == 1 then
  return 1
end
return remove_ready(crashed(ARGV[1]))
