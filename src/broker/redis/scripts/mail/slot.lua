-- Where the schedule of a user is: the one set, or in a cluster the one whose hash tag has the user's slot.
-- What stands in double braces is filled in when the library is loaded.

-- CRC-16/XMODEM, as the cluster specification has it.
local function slot_of(name)
  local crc = 0
  for index = 1, #name do
    crc = bit.bxor(crc, bit.lshift(string.byte(name, index), 8))
    for _ = 1, 8 do
      crc = bit.lshift(crc, 1)
      if bit.band(crc, 0x10000) ~= 0 then crc = bit.bxor(crc, 0x11021) end
    end
  end
  return bit.band(crc, 16383)
end

-- A tag is four letters of '@' to 'O', four bits each. CRC-16 is linear: which bits to set for a bit of the slot does
-- not depend on the others.
local tag_base, tag_bits = {{tag_base}}, { {{tag_bits}} }

local function tag_of(slot)
  local differs, bits = bit.bxor(slot, tag_base), 0
  for index, these in ipairs(tag_bits) do
    if bit.band(differs, bit.lshift(1, index - 1)) ~= 0 then bits = bit.bxor(bits, these) end
  end
  local letter = function(shift) return string.char(64 + bit.band(bit.rshift(bits, shift), 15)) end
  return letter(12) .. letter(8) .. letter(4) .. letter(0)
end

local function schedule_of(user)
  if not {{in_cluster}} then return {{prefix}} .. 'mail:due' end
  return {{prefix}} .. 'mail:{' .. tag_of(slot_of(user)) .. '}:due'
end
