-- Says that a replica lives; answers whether it was unknown (and so has to tell its presence anew), and
-- which replicas have been silent for too long.
-- KEYS[1] sorted set replica -> time of its last word, in ms of Redis's clock
-- ARGV[1] replica   ARGV[2] ms of silence after which a replica is dead
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local unknown = redis.call('ZADD', KEYS[1], now, ARGV[1])
return { unknown, redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2])) }
