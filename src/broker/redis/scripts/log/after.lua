-- KEYS entries, ids, state   ARGV position, ms, limit
return after(inbox(KEYS[1], KEYS[2], KEYS[3]), tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
