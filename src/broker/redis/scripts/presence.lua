-- Sets how many sockets users have on one replica, and answers how many each has on all replicas.
-- Absolute, so a call that is repeated after a lost answer does no harm.
-- KEYS[1] hash user -> sockets, all replicas     KEYS[2] number of sockets, all replicas
-- KEYS[3] hash user -> sockets, this replica
-- ARGV    user, sockets, user, sockets, ...      Answer: the totals, in the order of ARGV
local totals = {}
local change = 0
for i = 1, #ARGV, 2 do
  local user, now = ARGV[i], tonumber(ARGV[i + 1])
  local before = tonumber(redis.call('HGET', KEYS[3], user) or 0)
  local total
  if now == before then
    total = tonumber(redis.call('HGET', KEYS[1], user) or 0)
  else
    total = redis.call('HINCRBY', KEYS[1], user, now - before)
    if now == 0 then redis.call('HDEL', KEYS[3], user) else redis.call('HSET', KEYS[3], user, now) end
    if total <= 0 then redis.call('HDEL', KEYS[1], user) end
    change = change + now - before
  end
  totals[#totals + 1] = total
end
if change ~= 0 then redis.call('INCRBY', KEYS[2], change) end
return totals
