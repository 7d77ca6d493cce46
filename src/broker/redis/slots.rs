//! The hash slots of Redis Cluster, and which master has which. Where there is one master, it has all.

use super::connect::Node;

/// Number of hash slots.
pub(super) const SLOTS: u16 = 16384;
/// The owner of a slot that nobody has.
const NOBODY: u16 = u16::MAX;

/// The slot of a key or sharded channel: of its hash tag, if it has one that is not empty.
pub(super) fn slot(name: &str) -> u16 {
    let tag = name
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or(name, |(tag, _)| if tag.is_empty() { name } else { tag });
    crc16(tag.as_bytes()) % SLOTS
}

/// CRC-16/XMODEM, as the cluster specification has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        let index = usize::from((crc >> 8) ^ u16::from(byte));
        (crc << 8) ^ TABLE[index]
    })
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte: u16 = 0;
    while byte < 256 {
        let mut crc = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
};

/// Who has which slot, as it was when somebody who knows was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Map {
    masters: Vec<Node>,
    replicas: Vec<Node>,
    /// Index into `masters` by slot.
    owners: Box<[u16]>,
}

impl Map {
    /// Nobody has anything.
    pub(super) fn unknown() -> Self {
        Self { masters: Vec::new(), replicas: Vec::new(), owners: owned_by(NOBODY) }
    }

    /// One server has all.
    pub(super) fn of_one(master: Node) -> Self {
        let owners = owned_by(0);
        Self { masters: vec![master], replicas: Vec::new(), owners }
    }

    /// `master` has the slots from `first` to `last`.
    pub(super) fn assign(&mut self, first: u16, last: u16, master: Node) {
        let known = self.masters.iter().position(|known| *known == master);
        let index = known.unwrap_or_else(|| {
            self.masters.push(master);
            self.masters.len() - 1
        });
        if let Some(range) = self.owners.get_mut(usize::from(first)..=usize::from(last)) {
            range.fill(u16::try_from(index).unwrap_or(NOBODY));
        }
    }

    pub(super) fn add_replica(&mut self, replica: Node) {
        if !self.replicas.contains(&replica) {
            self.replicas.push(replica);
        }
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&Node> {
        self.masters.get(usize::from(*self.owners.get(usize::from(slot))?))
    }

    /// All that have slots.
    pub(super) fn masters(&self) -> &[Node] {
        &self.masters
    }

    pub(super) fn replicas(&self) -> &[Node] {
        &self.replicas
    }

    /// How many slots somebody has.
    pub(super) fn covered(&self) -> usize {
        self.owners.iter().filter(|&&owner| owner != NOBODY).count()
    }
}

fn owned_by(owner: u16) -> Box<[u16]> {
    vec![owner; usize::from(SLOTS)].into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot("foo"), 12182);
        assert_eq!(slot("{user1000}.following"), slot("user1000"));
        assert_eq!(slot("foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot("foo{{bar}}zap"), slot("{bar"));
        assert_eq!(slot("foo{bar}{zap}"), slot("bar"));
        assert_eq!(slot("foo{bar"), crc16(b"foo{bar") % SLOTS);
    }

    #[test]
    fn a_map_tells_who_has_a_slot() {
        let node = |port| Node { host: "h".into(), port };
        let mut map = Map::unknown();
        assert_eq!((map.owner(0), map.covered()), (None, 0));
        map.assign(0, 99, node(1));
        map.assign(100, SLOTS - 1, node(2));
        map.assign(50, 50, node(2));
        assert_eq!(map.covered(), usize::from(SLOTS));
        for (slot, port) in [(0, 1), (49, 1), (50, 2), (51, 1), (99, 1), (100, 2), (16383, 2)] {
            assert_eq!(map.owner(slot), Some(&node(port)), "{slot}");
        }
        assert_eq!(map.owner(SLOTS), None);
        assert_eq!(Map::of_one(node(3)).owner(16383), Some(&node(3)));
    }
}
