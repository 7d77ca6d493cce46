//! As much of `MessagePack` as a packet of Socket.IO's Redis adapter needs.
//! <https://github.com/msgpack/msgpack/blob/master/spec.md>

use serde_json::Value;

/// Appends a value; numbers must be whole and not negative.
pub(super) fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(false) => out.push(0xc2),
        Value::Bool(true) => out.push(0xc3),
        Value::Number(number) => {
            let number = number.as_u64().unwrap_or_default();
            if let Ok(small @ 0..=0x7f) = u8::try_from(number) {
                out.push(small);
            } else {
                out.push(0xcf);
                out.extend(number.to_be_bytes());
            }
        }
        Value::String(text) => {
            head(out, text.len(), [0xa0, 0xd9, 0xda]);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(items) => {
            head(out, items.len(), [0x90, 0, 0xdc]);
            for item in items {
                write(out, item);
            }
        }
        Value::Object(fields) => {
            head(out, fields.len(), [0x80, 0, 0xde]);
            for (name, field) in fields {
                write(out, &Value::from(name.as_str()));
                write(out, field);
            }
        }
    }
}

/// Kind and length: within the byte, in the next one (strings only), or in the next two.
fn head(out: &mut Vec<u8>, length: usize, [fix, one, two]: [u8; 3]) {
    let fits = if fix == 0xa0 { 32 } else { 16 };
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if length < fits => out.push(fix | short),
        (Ok(short), _) if one != 0 => out.extend([one, short]),
        (_, Ok(long)) => {
            out.push(two);
            out.extend(long.to_be_bytes());
        }
        // No notification is longer than 64 KiB.
        _ => out.extend([two, 0xff, 0xff]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn packed(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, value);
        out
    }

    #[test]
    fn values_are_packed_as_the_specification_says() {
        for (value, bytes) in [
            (json!(["u", { "type": 2 }]), b"\x92\xa1u\x81\xa4type\x02".as_slice()),
            (json!([null, true, false]), b"\x93\xc0\xc3\xc2"),
            (json!(300), b"\xcf\0\0\0\0\0\0\x01\x2c"),
            (json!({}), b"\x80"),
        ] {
            assert_eq!(packed(&value), bytes, "{value}");
        }
        assert_eq!(packed(&json!("x".repeat(40)))[..2], [0xd9, 40]);
        assert_eq!(packed(&json!("x".repeat(400)))[..3], [0xda, 1, 0x90]);
        assert_eq!(packed(&json!(vec![0; 20]))[..3], [0xdc, 0, 20]);
    }
}
