-- The log of one user. Every script and every function of the library begins with this text.
--
-- entries  hash  position -> "<length of id>:<id><payload>"; without a payload it was deleted
-- ids      hash  id -> "<position>:<u unread | r read | d deleted>:<ms of appending>"
-- state    hash  last, last_at   position and time of the newest entry, ever
--                first, first_at   position and time of the oldest kept
--                trimmed_at   time of the newest that is not kept any more
--                unread, version   exact count, and a number that rises with every change of it
--                read   position up to which everything is read, whatever ids says
--                expires   ms when Redis forgets all three, unless an entry follows
--
-- Positions have no gaps, so a range is read by HMGET; a cursor is "<position>-<ms>", and both have to fit:
-- after a failover that lost entries the position alone could name another one.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function inbox(entries, ids, state)
  return { entries = entries, ids = ids, state = state }
end

local function text(n) return string.format('%.0f', n) end

local function number(box, field)
  return tonumber(redis.call('HGET', box.state, field) or 0)
end

local function record(box, id)
  local text = redis.call('HGET', box.ids, id)
  if not text then return nil end
  local position, mark, at = string.match(text, '^(%d+):(%a):(%d+)$')
  return { position = tonumber(position), mark = mark, at = tonumber(at) }
end

local function is_unread(box, found)
  return found.mark == 'u' and found.position > number(box, 'read')
end

local function entry(box, position)
  local text = redis.call('HGET', box.entries, position)
  if not text then return nil end
  local length, rest = string.match(text, '^(%d+):(.*)$')
  length = tonumber(length)
  return string.sub(rest, 1, length), string.sub(rest, length + 1)
end

-- The version rises also over a loss of all data, because it is never below the time.
local function count(box, change)
  -- Adding 0 makes a 0 of Lua's -0, which is no integer to Redis.
  local unread = redis.call('HINCRBY', box.state, 'unread', change + 0)
  local version = math.max(number(box, 'version') + 1, now_ms())
  redis.call('HSET', box.state, 'version', string.format('%.0f', version))
  return unread, version
end

local function cursor(position, at)
  return string.format('%.0f-%.0f', position, at)
end

-- Forgets the oldest from `first` on until `size` are left and none is older than `ttl` ms. Answers the new first
-- and its time, how many of the forgotten were unread, and when the newest of them was appended.
local function trim(box, first, last, read, size, ttl, now)
  local gone, trimmed_at = 0, nil
  while first <= last do
    local id = entry(box, first)
    local found = id and record(box, id)
    local stays = found and last - first < size and found.at > now - ttl
    if stays then return first, found.at, gone, trimmed_at end
    if found then
      if found.mark == 'u' and first > read then gone = gone + 1 end
      trimmed_at = found.at
      redis.call('HDEL', box.ids, id)
    end
    redis.call('HDEL', box.entries, first)
    first = first + 1
  end
  return first, now, gone, trimmed_at
end

-- A log is forgotten `ttl` ms after its newest entry, or up to a 32nd later: to say so at every entry would be
-- three more calls for each. Answers how long it has to last from now on, nothing if it does.
local function lasting(ttl, now, expires)
  if expires - now < ttl then return ttl + math.floor(ttl / 32) end
end

-- What replicas hear: a line of facts, then the id and the payload. Plain notifications begin with `{`.
local function heard(kind, facts, id, payload)
  return kind .. table.concat(facts, ' ') .. ' ' .. #id .. '\n' .. id .. payload
end

-- PUBLISH, or SPUBLISH: what stands in double braces is filled in when the script is made.
local function say(channel, message) redis.call('{{publish}}', channel, message) end

-- Appends once per id. Answers { 1 if new, cursor, unread, version }. With `quiet` replicas hear where it is
-- and not what it is: they have heard that already. `before`, if there is one, runs for what is new before
-- anything is written; where it fails, nothing is.
local function append(box, channel, id, payload, size, ttl, quiet, before)
  local known = record(box, id)
  if known then
    local facts = redis.call('HMGET', box.state, 'unread', 'version')
    return { 0, cursor(known.position, known.at), tonumber(facts[1] or 0), tonumber(facts[2] or 0) }
  end
  if before then before() end
  local now = now_ms()
  -- The state is read once and written once: each call costs Redis as much as the rest of a line here.
  local fields = redis.call('HMGET', box.state, 'last', 'last_at', 'first', 'first_at', 'unread', 'version', 'read',
    'expires')
  for index = 1, 8 do fields[index] = tonumber(fields[index] or 0) end
  local last, last_at, first, first_at, unread, version, read, expires = unpack(fields)
  local position = last + 1
  redis.call('HSET', box.entries, position, #id .. ':' .. id .. payload)
  redis.call('HSET', box.ids, id, position .. ':u:' .. text(now))
  local gone, trimmed_at = 0, nil
  if position - first >= size or first_at <= now - ttl then
    first, first_at, gone, trimmed_at = trim(box, math.max(first, 1), position, read, size, ttl, now)
  end
  unread = unread + 1 - gone
  version = math.max(version + 1, now)
  local lasts = lasting(ttl, now, expires)
  if lasts then expires = now + lasts end
  redis.call('HSET', box.state, 'last', text(position), 'last_at', text(now), 'first', text(first),
    'first_at', text(first_at), 'unread', text(unread), 'version', text(version), 'expires', text(expires))
  if trimmed_at then redis.call('HSET', box.state, 'trimmed_at', text(trimmed_at)) end
  if lasts then
    for _, key in pairs(box) do redis.call('PEXPIRE', key, text(lasts)) end
  end
  local previous, at = cursor(last, last_at), cursor(position, now)
  local kind, told = '@', payload
  if quiet then kind, told = '+', '' end
  say(channel, heard(kind, { at, previous, text(unread), text(version) }, id, told))
  return { 1, at, unread, version }
end

-- Marks one entry 'r'ead or 'd'eleted. Answers { 1 if it is there, unread, version }; says so to every replica.
local function mark(box, channel, id, as)
  local found = record(box, id)
  if not found or found.mark == 'd' then return { 0, number(box, 'unread'), number(box, 'version') } end
  local was_unread = is_unread(box, found)
  if as == 'r' and not was_unread then return { 1, number(box, 'unread'), number(box, 'version') } end
  redis.call('HSET', box.ids, id, found.position .. ':' .. as .. ':' .. text(found.at))
  if as == 'd' then redis.call('HSET', box.entries, found.position, #id .. ':' .. id) end
  local unread, version = count(box, was_unread and -1 or 0)
  say(channel, heard('!' .. as .. ' ', { text(unread), text(version) }, id, ''))
  return { 1, unread, version }
end

-- Marks everything read. Answers { 1, unread, version }.
local function mark_all(box, channel)
  local unread = number(box, 'unread')
  redis.call('HSET', box.state, 'read', text(number(box, 'last')))
  local left, version = count(box, -unread)
  say(channel, heard('!a ', { text(left), text(version) }, '', ''))
  return { 1, left, version }
end

-- Answers { cursor of the newest, unread, version }. Where nothing is kept (any more) the version is the time, so
-- that it rises over a loss of all data too; a millisecond less, for a change may follow within it.
local function summary(box)
  local version = number(box, 'version')
  if version == 0 then version = now_ms() - 1 end
  return { cursor(number(box, 'last'), number(box, 'last_at')), number(box, 'unread'), version }
end

local function row(box, position)
  local id, payload = entry(box, position)
  if not id or payload == '' then return nil end
  local found = record(box, id)
  if not found or found.mark == 'd' then return nil end
  local unread = is_unread(box, found)
  return { cursor(position, found.at), unread and 1 or 0, id, payload }, unread
end

-- Up to `limit` entries older than position `before` (0: from the newest), newest first.
local function list(box, before, limit, unread_only)
  local rows = {}
  local position = number(box, 'last')
  if before > 0 then position = math.min(position, before - 1) end
  local first = math.max(number(box, 'first'), 1)
  while position >= first and #rows < limit do
    local found, unread = row(box, position)
    if found and (unread or not unread_only) then rows[#rows + 1] = found end
    position = position - 1
  end
  return rows
end

-- Whether nothing is missing between the cursor (position, ms) and what is kept.
local function follows(box, position, at, first, last)
  if position > last then return false end
  if position == 0 then return first == 1 end
  if position == last then return at == number(box, 'last_at') end
  if position == first - 1 then return at == number(box, 'trimmed_at') end
  if position < first - 1 then return false end
  local id = entry(box, position)
  local found = id and record(box, id)
  return found ~= nil and found.at == at
end

-- What follows the cursor (position, ms), or with `which` 'unread' what of it is unread, or with 'newest' nothing.
-- Answers { 1 if nothing is missing in between, the oldest rows up to `limit` and about `bytes` of payload,
-- how many rows there are in all, summary }. After a gap the rows are those with a higher position or a later
-- time than the cursor's.
local function after(box, which, position, at, limit, bytes)
  local first, last = math.max(number(box, 'first'), 1), number(box, 'last')
  local rows, total, size = {}, 0, 0
  local whole = true
  if which == 'after' then
    whole = follows(box, position, at, first, last)
  elseif which == 'unread' and position > 0 then
    whole = position >= first - 1 and position <= last
  end
  local next = whole and math.max(position + 1, first) or first
  if which == 'newest' then next = last + 1 end
  while next <= last do
    local found, unread = row(box, next)
    local wanted = found and (which ~= 'unread' or unread)
    if wanted and not whole and which == 'after' then
      wanted = next > position or record(box, found[3]).at > at
    end
    if wanted then
      total = total + 1
      if #rows < limit and (size == 0 or size + #found[4] <= bytes) and total == #rows + 1 then
        rows[#rows + 1] = found
        size = size + #found[4]
      end
    end
    next = next + 1
  end
  return { whole and 1 or 0, rows, total, summary(box) }
end
