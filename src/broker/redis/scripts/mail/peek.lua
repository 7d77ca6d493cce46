#!lua flags=no-writes
-- Answers how many are due, and the members that are due first.
-- KEYS due   ARGV limit
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local count = redis.call('ZCOUNT', KEYS[1], '-inf', now)
if count == 0 then return { 0, {} } end
return { count, redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1]) }
