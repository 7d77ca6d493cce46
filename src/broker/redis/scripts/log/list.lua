-- KEYS entries, ids, state   ARGV position before which (0: from the newest), limit, 1 for unread only
return list(inbox(KEYS[1], KEYS[2], KEYS[3]), tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1')
