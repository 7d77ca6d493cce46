-- Keeps for longer what was taken, or puts it back to be due later. Answers until when, 0 if it is somebody else's now.
-- KEYS due   ARGV member, until when it was taken, ms from now
local time = redis.call('TIME')
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) ~= tonumber(ARGV[2]) then return '0' end
local till = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3])
redis.call('ZADD', KEYS[1], till, ARGV[1])
return till
