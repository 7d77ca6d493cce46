-- Takes a dead replica's presence out of the books, a part at a time; answers 1 while there is more.
-- The first call moves it to another name, so that a replica which was only paused finds itself unknown
-- and starts over, and a helper that dies half-way is followed by the next.
-- KEYS[1] sorted set of replicas                  KEYS[2] hash user -> sockets, all replicas
-- KEYS[3] number of sockets, all replicas         KEYS[4] hash user -> sockets, the dead replica
-- KEYS[5] the same under its other name
-- ARGV[1] replica   ARGV[2] its other name   ARGV[3] users to take at a time
-- ARGV[4] ms of silence after which a replica is dead; 0 when it leaves by itself
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.call('ZSCORE', KEYS[1], ARGV[1])
-- What is left under the other name, from an earlier death, goes first.
if last and redis.call('EXISTS', KEYS[5]) == 0 then
  if now - tonumber(last) < tonumber(ARGV[4]) then return 0 end
  redis.call('ZREM', KEYS[1], ARGV[1])
  if redis.call('EXISTS', KEYS[4]) == 0 then return 0 end
  redis.call('RENAME', KEYS[4], KEYS[5])
  redis.call('ZADD', KEYS[1], 0, ARGV[2])
end
-- Not HSCAN: started anew it finds nothing where the calls before have taken everything, and never ends.
local part = redis.call('HRANDFIELD', KEYS[5], ARGV[3], 'WITHVALUES')
local change = 0
for i = 1, #part, 2 do
  local sockets = tonumber(part[i + 1])
  if redis.call('HINCRBY', KEYS[2], part[i], -sockets) <= 0 then redis.call('HDEL', KEYS[2], part[i]) end
  redis.call('HDEL', KEYS[5], part[i])
  change = change + sockets
end
if change ~= 0 then redis.call('DECRBY', KEYS[3], change) end
if redis.call('EXISTS', KEYS[5]) == 1 then return 1 end
redis.call('ZREM', KEYS[1], ARGV[2])
return 0
