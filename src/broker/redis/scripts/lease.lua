-- Takes, renews or gives back the lease of a replica that listens by pattern. Of two that are free the first
-- is taken; who has the second moves up when the first is free. Answers the number of the one held, 0: none.
-- KEYS[1] the leader's, KEYS[2] the standby's: replica     ARGV[1] replica   ARGV[2] ms it lasts, 0: give back
local held = 0
for number, key in ipairs(KEYS) do
  local holder = redis.call('GET', key)
  if ARGV[2] ~= '0' and held == 0 and (not holder or holder == ARGV[1]) then
    redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
    held = number
  elseif holder == ARGV[1] then
    redis.call('DEL', key)
  end
end
return held
