//! Which slots are subscribed where, as far as a replica has channels in them.

use super::connect::Node;
use super::slots::{Map, SLOTS};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// No channel of ours is in it.
    Empty,
    /// Its channels are to be asked for, as soon as it is known where and there is a link.
    Open,
    /// Its channels were asked for at this one of `nodes`.
    At(u16),
}

/// The place of every slot.
pub(super) struct Places {
    by_slot: Box<[Place]>,
    nodes: Vec<Node>,
    open: usize,
}

impl Places {
    /// Everything is to be asked for.
    pub(super) fn open() -> Self {
        let slots = usize::from(SLOTS);
        Self { by_slot: vec![Place::Open; slots].into(), nodes: Vec::new(), open: slots }
    }

    pub(super) fn is_open(&self, slot: u16) -> bool {
        self.get(slot) == Place::Open
    }

    pub(super) fn any_open(&self) -> bool {
        self.open > 0
    }

    pub(super) fn reopen(&mut self, slot: u16) {
        self.set(slot, Place::Open);
    }

    /// Whether the slot's channels were asked for at `node`.
    pub(super) fn is_at(&self, slot: u16, node: &Node) -> bool {
        self.node(slot) == Some(node)
    }

    pub(super) fn node(&self, slot: u16) -> Option<&Node> {
        match self.get(slot) {
            Place::At(number) => self.nodes.get(usize::from(number)),
            _ => None,
        }
    }

    pub(super) fn put(&mut self, slot: u16, node: &Node) {
        let known = self.nodes.iter().position(|known| known == node);
        let number = known.unwrap_or_else(|| {
            self.nodes.push(node.clone());
            self.nodes.len() - 1
        });
        self.set(slot, u16::try_from(number).map_or(Place::Open, Place::At));
    }

    /// Opens what is at `node`; whether there is anything.
    pub(super) fn leave(&mut self, node: &Node) -> bool {
        self.reopen_where(|at, _| at == node)
    }

    /// Opens what is not where the map has it; whether there is anything.
    pub(super) fn compare(&mut self, map: &Map) -> bool {
        self.reopen_where(|at, slot| map.owner(slot) != Some(at))
    }

    fn reopen_where(&mut self, is_wrong: impl Fn(&Node, u16) -> bool) -> bool {
        let mut found = false;
        for slot in 0..SLOTS {
            if self.node(slot).is_some_and(|at| is_wrong(at, slot)) {
                self.reopen(slot);
                found = true;
            }
        }
        found
    }

    /// Of what is open, all that is not `needed` is empty.
    pub(super) fn close_unless(&mut self, needed: impl Fn(u16) -> bool) {
        for slot in 0..SLOTS {
            if self.is_open(slot) && !needed(slot) {
                self.set(slot, Place::Empty);
            }
        }
    }

    fn get(&self, slot: u16) -> Place {
        self.by_slot.get(usize::from(slot)).copied().unwrap_or(Place::Empty)
    }

    fn set(&mut self, slot: u16, place: Place) {
        if let Some(kept) = self.by_slot.get_mut(usize::from(slot)) {
            let before = std::mem::replace(kept, place);
            self.open -= usize::from(before == Place::Open);
            self.open += usize::from(place == Place::Open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_elsewhere_is_open_until_it_is_put_somewhere() {
        let node = |port| Node { host: "h".into(), port };
        let mut places = Places::open();
        places.put(1, &node(1));
        places.put(2, &node(2));
        places.close_unless(|slot| slot == 3);
        assert!(places.is_open(3) && !places.is_open(4) && places.is_at(2, &node(2)));
        places.put(3, &node(1));
        assert!(!places.any_open());

        let mut map = Map::of_one(node(1));
        assert!(places.compare(&map), "2 is elsewhere");
        assert!(places.is_open(2) && places.is_at(1, &node(1)));
        places.put(2, &node(1));
        assert!(!places.compare(&map));
        map.assign(1, 1, node(2));
        assert!(places.leave(&node(1)) && !places.leave(&node(2)));
        assert!([1, 2, 3].iter().all(|&slot| places.is_open(slot)) && !places.is_open(4));
    }
}
