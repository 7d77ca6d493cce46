-- Takes one that is due, if it is still unread; what is not is due no more. Answers { 'other' } if somebody else is at it,
-- { 'read' }, { 'gone' } if it was deleted or trimmed, { 'unread', until when it is taken, ms of appending, payload }.
-- KEYS entries, ids, state, due   ARGV member, id, for how many ms (0: only looks)
local box, due, member, id = inbox(KEYS[1], KEYS[2], KEYS[3]), KEYS[4], ARGV[1], ARGV[2]
local now = now_ms()
local score = tonumber(redis.call('ZSCORE', due, member) or math.huge)
if score > now then return { 'other', '0', '0', '' } end
local found = record(box, id)
local name, payload
if found and found.mark ~= 'd' then name, payload = entry(box, found.position) end
if not payload or payload == '' or not is_unread(box, found) then
  redis.call('ZREM', due, member)
  return { payload and payload ~= '' and 'read' or 'gone', '0', '0', '' }
end
if ARGV[3] == '0' then return { 'unread', '0', text(found.at), '' } end
local till = text(now + ARGV[3])
redis.call('ZADD', due, till, member)
return { 'unread', till, text(found.at), payload }
