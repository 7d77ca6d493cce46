-- Appends what was published plainly, and so has been heard.
-- KEYS entries, ids, state   ARGV channel, id, payload, size, ttl in ms
return append(inbox(KEYS[1], KEYS[2], KEYS[3]), ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), true)
