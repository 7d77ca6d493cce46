-- Appends what was published plainly, and so has been heard.
-- KEYS and ARGV as in append.lua
return append(inbox(KEYS[1], KEYS[2], KEYS[3]), ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), true,
  scheduling(KEYS[4], ARGV[6], ARGV[2], ARGV[3], tonumber(ARGV[7]), tonumber(ARGV[5])))
