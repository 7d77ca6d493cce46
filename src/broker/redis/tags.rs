//! For every hash slot a short hash tag that has it, so that a key can be put beside those of a user and still be
//! found without knowing the users.

use std::sync::LazyLock;

use super::slots::slot;

/// Bits of a slot's number.
const BITS: usize = 14;

static TAGS: LazyLock<Tags> = LazyLock::new(Tags::find);

/// A tag is four letters of `@` to `O`, four bits each. CRC-16 is linear, so which bits of a tag turn one bit of its
/// slot does not depend on the others: the tag of a slot is the sum of those. `scripts/mail/slot.lua` does the same.
#[derive(Debug)]
pub(super) struct Tags {
    /// The slot of the tag of zeros.
    base: u16,
    /// For every bit of a slot, the bits of a tag that turn it and no other.
    bits: [u16; BITS],
}

impl Tags {
    pub(super) fn new() -> &'static Self {
        &TAGS
    }

    fn find() -> Self {
        let base = slot(&letters(0));
        let mut bits = [0; BITS];
        for these in (1..=u16::MAX).rev() {
            let turned = slot(&letters(these)) ^ base;
            if turned.is_power_of_two() {
                bits[turned.trailing_zeros() as usize] = these;
            }
        }
        Self { base, bits }
    }

    /// The tag of this slot.
    pub(super) fn of(&self, slot: u16) -> String {
        let differs = slot ^ self.base;
        let turned = self.bits.iter().enumerate().filter(|(bit, _)| differs >> bit & 1 == 1);
        letters(turned.fold(0, |sum, (_, bits)| sum ^ bits))
    }

    pub(super) fn base(&self) -> u16 {
        self.base
    }

    pub(super) fn bits(&self) -> [u16; BITS] {
        self.bits
    }
}

fn letters(bits: u16) -> String {
    let letter = |shift: u16| char::from(b'@' + (bits >> shift & 0xf) as u8);
    [12, 8, 4, 0].map(letter).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::slots::SLOTS;
    use super::*;

    #[test]
    fn every_slot_has_a_tag() {
        for number in 0..SLOTS {
            let tag = Tags::new().of(number);
            assert_eq!((slot(&tag), tag.len()), (number, 4), "{tag}");
        }
    }
}
