//! What the log's scripts publish on a user's channel: a line of facts, then the id, then the payload.
//! A plain notification begins with `{` or white space, so the first byte tells them apart.

use crate::broker::log::{Change, Count, Mark};
use crate::notification::Cursor;

/// Room for the line of facts: two cursors, two counts, a length.
const FACTS: usize = 160;

/// The longest message there is: facts and the id before the payload, and the id is part of it too.
pub(super) fn longest(max_payload_bytes: usize) -> usize {
    2 * max_payload_bytes + FACTS
}

/// What a payload on a user's channel is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// As a publisher sent it.
    Plain,
    Logged {
        cursor: Cursor,
        before: Cursor,
        count: Count,
        id: &'a str,
        payload: &'a [u8],
    },
    Captured {
        cursor: Cursor,
        before: Cursor,
        count: Count,
        id: &'a str,
    },
    Changed {
        change: Change<'a>,
        count: Count,
    },
    /// Looks like ours and is not.
    Garbled,
}

/// Reads `@` or `+`, `<cursor> <cursor before> <unread> <version> <length of id>`, or `!<r|d|a> <unread>
/// <version> <length of id>`, a line feed, the id, and for `@` the payload.
pub(super) fn read(message: &[u8]) -> Heard<'_> {
    match message.first() {
        Some(b'@') => logged(&message[1..]).unwrap_or(Heard::Garbled),
        Some(b'+') => captured(&message[1..]).unwrap_or(Heard::Garbled),
        Some(b'!') => changed(&message[1..]).unwrap_or(Heard::Garbled),
        _ => Heard::Plain,
    }
}

fn logged(message: &[u8]) -> Option<Heard<'_>> {
    let (line, rest) = split(message)?;
    let mut words = line.split(' ');
    let (cursor, before) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let count = count(&mut words)?;
    let (id, payload) = id(&mut words, rest)?;
    Some(Heard::Logged { cursor, before, count, id, payload })
}

fn captured(message: &[u8]) -> Option<Heard<'_>> {
    match logged(message)? {
        Heard::Logged { cursor, before, count, id, payload: [] } => {
            Some(Heard::Captured { cursor, before, count, id })
        }
        _ => None,
    }
}

fn changed(message: &[u8]) -> Option<Heard<'_>> {
    let (line, rest) = split(message)?;
    let mut words = line.split(' ');
    let kind = words.next()?;
    let count = count(&mut words)?;
    let (id, _) = id(&mut words, rest)?;
    let change = match kind {
        "r" => Change::Marked { id, mark: Mark::Read },
        "d" => Change::Marked { id, mark: Mark::Deleted },
        "a" => Change::AllRead,
        _ => return None,
    };
    Some(Heard::Changed { change, count })
}

fn split(message: &[u8]) -> Option<(&str, &[u8])> {
    let end = message.iter().position(|&byte| byte == b'\n')?;
    Some((std::str::from_utf8(&message[..end]).ok()?, &message[end + 1..]))
}

fn count<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Count> {
    Some(Count { unread: words.next()?.parse().ok()?, version: words.next()?.parse().ok()? })
}

fn id<'a, 'b>(
    words: &mut impl Iterator<Item = &'a str>,
    rest: &'b [u8],
) -> Option<(&'b str, &'b [u8])> {
    let length: usize = words.next()?.parse().ok()?;
    let (id, payload) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(id).ok()?, payload))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_scripts_say_is_understood() {
        let place = |position, at| Cursor { position, at };
        let logged = Heard::Logged {
            cursor: place(5, 100),
            before: place(4, 90),
            count: Count { unread: 3, version: 120 },
            id: "a b\n",
            payload: b"{}",
        };
        assert_eq!(read(b"@5-100 4-90 3 120 4\na b\n{}"), logged);
        let captured = Heard::Captured {
            cursor: place(5, 100),
            before: place(4, 90),
            count: Count { unread: 3, version: 120 },
            id: "a b\n",
        };
        assert_eq!(read(b"+5-100 4-90 3 120 4\na b\n"), captured);
        let count = Count { unread: 2, version: 121 };
        let cases = [
            (&b"!r 2 121 1\nx"[..], Change::Marked { id: "x", mark: Mark::Read }),
            (b"!d 2 121 1\nx", Change::Marked { id: "x", mark: Mark::Deleted }),
            (b"!a 2 121 0\n", Change::AllRead),
        ];
        for (message, change) in cases {
            assert_eq!(read(message), Heard::Changed { change, count });
        }
        for plain in [&b"{}"[..], b" {\"a\":1}", b"", b"hello"] {
            assert_eq!(read(plain), Heard::Plain);
        }
        for garbled in [
            &b"@"[..],
            b"@5-100\n",
            b"+5-100 4-90 3 120 1\nx{}",
            b"@5-100 4-90 3 120 99\nx",
            b"!x 1 1 0\n",
            b"!r",
        ] {
            assert_eq!(read(garbled), Heard::Garbled, "{garbled:?}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(message in "[@+!{][0-9 \\-rda\n]{0,40}") {
            read(message.as_bytes());
        }
    }
}
