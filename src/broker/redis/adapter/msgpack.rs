//! Msgpack as JSON text, the way JavaScript would have written it.

use std::fmt::Write;

use jiff::Timestamp;
use rmpv::ValueRef;
use rmpv::decode::read_value_ref_with_max_depth;
use serde_json::Number;

use crate::notification::json_string;

/// Nested deeper, it is refused; rmpv counts two for each array or map.
const MAX_DEPTH: usize = 256;
/// Msgpack's own timestamp, as which a `Date` comes.
const TIMESTAMP: i8 = -1;
/// What JavaScript calls undefined, one zero byte.
const UNDEFINED: i8 = 0;

/// What was written, and whether there was something in it that JSON does not have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) json: String,
    pub(super) has_binary: bool,
}

/// `None`: it is not msgpack, not one value alone, or no value that JavaScript could have had.
pub(super) fn to_json(bytes: &[u8]) -> Option<Written> {
    let mut rest = bytes;
    let value = read_value_ref_with_max_depth(&mut rest, MAX_DEPTH).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let json = String::with_capacity(bytes.len() + bytes.len() / 4);
    let mut written = Written { json, has_binary: false };
    write(&value, &mut written)?;
    Some(written)
}

fn write(value: &ValueRef<'_>, out: &mut Written) -> Option<()> {
    match value {
        ValueRef::Nil | ValueRef::Ext(UNDEFINED, [0]) => out.json.push_str("null"),
        ValueRef::Boolean(true) => out.json.push_str("true"),
        ValueRef::Boolean(false) => out.json.push_str("false"),
        ValueRef::Integer(integer) => out.json.push_str(&integer.to_string()),
        ValueRef::F32(float) => write_float(f64::from(*float), &mut out.json),
        ValueRef::F64(float) => write_float(*float, &mut out.json),
        ValueRef::String(text) => out.json.push_str(&json_string(text.as_str()?)),
        ValueRef::Binary(_) => {
            out.has_binary = true;
            out.json.push_str("null");
        }
        ValueRef::Array(items) => {
            out.json.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.json.push(',');
                }
                write(item, out)?;
            }
            out.json.push(']');
        }
        ValueRef::Map(fields) => {
            out.json.push('{');
            for (n, (name, value)) in fields.iter().enumerate() {
                if n > 0 {
                    out.json.push(',');
                }
                let ValueRef::String(name) = name else { return None };
                out.json.push_str(&json_string(name.as_str()?));
                out.json.push(':');
                write(value, out)?;
            }
            out.json.push('}');
        }
        ValueRef::Ext(TIMESTAMP, bytes) => {
            // To the millisecond, as `toJSON` of a Date.
            write!(out.json, "\"{:.3}\"", timestamp(bytes)?).ok()?;
        }
        ValueRef::Ext(..) => return None,
    }
    Some(())
}

/// JSON has no word for what is not finite; JavaScript writes `null`.
fn write_float(float: f64, out: &mut String) {
    match Number::from_f64(float) {
        Some(number) => out.push_str(&number.to_string()),
        None => out.push_str("null"),
    }
}

/// The three lengths of <https://github.com/msgpack/msgpack/blob/master/spec.md#timestamp-extension-type>.
fn timestamp(bytes: &[u8]) -> Option<Timestamp> {
    let (seconds, nanoseconds) = match bytes.len() {
        4 => (i64::from(u32::from_be_bytes(bytes.try_into().ok()?)), 0),
        8 => {
            let both = u64::from_be_bytes(bytes.try_into().ok()?);
            ((both & 0x3_ffff_ffff).cast_signed(), u32::try_from(both >> 34).ok()?)
        }
        12 => {
            let (nanoseconds, seconds) = bytes.split_first_chunk()?;
            (i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes(*nanoseconds))
        }
        _ => return None,
    };
    let part = Some(nanoseconds).filter(|part| *part < 1_000_000_000)?;
    let part = jiff::SignedDuration::from_nanos(part.into());
    Timestamp::from_second(seconds).ok()?.checked_add(part).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(hex: &str) -> Option<String> {
        to_json(&super::super::message::tests::bytes(hex)).map(|written| written.json)
    }

    #[test]
    fn values_are_written_as_javascript_writes_them() {
        for (hex, expected) in [
            ("c0", "null"),
            ("93c2c30c", "[false,true,12]"),
            ("d3ffe0000000000001", "-9007199254740991"),
            ("cfffffffffffffffff", "18446744073709551615"),
            ("cb3ff8000000000000", "1.5"),
            ("cb7ff8000000000000", "null"),
            ("a4f09f9494", "\"🔔\""),
            ("a3610a22", r#""a\n\"""#),
            ("82a16201a16102", r#"{"b":1,"a":2}"#),
            ("d6ff695735a5", "\"2026-01-02T03:04:05.000Z\""),
            ("d7ffa1a5d600695735a5", "\"2026-01-02T03:04:05.678Z\""),
            ("c70cff000f4240ffffffffed318525", "\"1960-01-02T03:04:05.001Z\""),
            ("91d40000", "[null]"),
        ] {
            assert_eq!(json(hex).as_deref(), Some(expected), "{hex}");
        }
        assert!(to_json(&[0x91, 0xc4, 1, 0]).unwrap().has_binary);
    }

    #[test]
    fn what_javascript_could_not_have_sent_is_refused() {
        for hex in ["", "91", "c0c0", "8101c0", "a1ff", "d500ffff", "c7ff", "d7ffffffffff00000000"]
        {
            assert_eq!(json(hex), None, "{hex}");
        }
        // 4 GiB of items are announced, and none follows.
        assert_eq!(json("ddffffffff"), None);
        assert_eq!(json("dfffffffff"), None);
        assert_eq!(json("c6ffffffff"), None);
    }

    #[test]
    fn nesting_ends_before_the_stack_does() {
        let nested = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
        assert!(to_json(&nested(100)).is_some());
        for depth in [1_000, 5_000_000] {
            assert_eq!(to_json(&nested(depth)), None, "{depth}");
            assert_eq!(to_json(&[0x81, 0xa1, b'a'].repeat(depth)), None, "{depth} maps");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_make_json_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(written) = to_json(&bytes) {
                let parsed: Result<&serde_json::value::RawValue, _> = serde_json::from_str(&written.json);
                prop_assert!(parsed.is_ok(), "{}", written.json);
            }
        }
    }
}
