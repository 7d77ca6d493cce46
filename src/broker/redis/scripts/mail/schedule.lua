-- What is due to be mailed. Follows the text of log/core.lua in what appends and what takes.
--
-- due  sorted set  "<user>\n<id>" -> ms when it is due, or when whoever is at it loses it to the others
--
-- A user has no line feed, an id may. In a cluster there is one such set in every slot, see mail/slot.lua.

-- Only a look, as it is taken at every entry; who mails reads it properly. The first line is the cheaper by far.
local function has_address(payload)
  return string.find(payload, 'mail"', 1, true)
    and string.find(payload, '"user_?[eE]mail"%s*:%s*"[^"]') ~= nil
end

local function schedule(due, user, id, after, ttl)
  local now = now_ms()
  redis.call('ZADD', due, text(now + after), user .. '\n' .. id)
  -- Bounds the set where nobody mails: what was due so long ago is in no log any more.
  redis.call('ZREMRANGEBYSCORE', due, '-inf', text(now - ttl))
  redis.call('PEXPIRE', due, text(ttl + after))
end

-- What puts an entry there before it is appended; nothing without an address, or without a schedule.
local function scheduling(due, user, id, payload, after, ttl)
  return due and has_address(payload) and function() schedule(due, user, id, after, ttl) end
end
