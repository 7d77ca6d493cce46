//! Adds fields to a JSON object and keeps the text of the others as it is.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The object `text` with `first` put in front and the names in `skip` left out.
///
/// `first` holds names and JSON literals. Without anything to skip the rest is copied as it stands;
/// `text` must be one JSON object without surrounding white space.
pub(crate) fn rewrite<R: AsRef<str>>(text: &str, first: &[(&str, R)], skip: &[&str]) -> String {
    let mut out = String::with_capacity(
        text.len()
            + first.iter().map(|(name, raw)| name.len() + raw.as_ref().len() + 4).sum::<usize>(),
    );
    rewrite_into(&mut out, text, first, skip);
    out
}

/// As [`rewrite`], behind what `out` holds.
pub(crate) fn rewrite_into<R: AsRef<str>>(
    out: &mut String,
    text: &str,
    first: &[(&str, R)],
    skip: &[&str],
) {
    out.push('{');
    for (name, raw) in first {
        push_field(out, name);
        out.push_str(raw.as_ref());
    }
    if skip.is_empty() {
        push_rest(out, text);
        return;
    }
    let mut json = serde_json::Deserializer::from_str(text);
    // The text was parsed before; should it fail here, what was copied so far is still an object.
    if let Ok(fields) = (&mut json).deserialize_map(Raw) {
        for (name, raw) in fields.iter().filter(|(name, _)| !skip.contains(&name.as_str())) {
            push_comma(out);
            push_json_string(out, name);
            out.push(':');
            out.push_str(raw.get());
        }
    }
    out.push('}');
}

/// The fields of the object `text` and the end of it, behind an object that `out` has begun. By how much they
/// have moved.
pub(super) fn push_rest(out: &mut String, text: &str) -> usize {
    let rest = text.strip_prefix('{').unwrap_or(text);
    // `{ }` has nothing to put a comma in front of.
    if !rest.trim_start().starts_with('}') {
        push_comma(out);
    }
    let moved = out.len().saturating_sub(text.len() - rest.len());
    out.push_str(rest);
    moved
}

/// A name, behind what the object has already.
pub(super) fn push_field(out: &mut String, name: &str) {
    push_comma(out);
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}

fn push_comma(out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
}

/// `text` as a JSON string literal.
pub(crate) fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_json_string(&mut out, text);
    out
}

/// The same, behind what `out` holds.
pub(crate) fn push_json_string(out: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        out.push_str(&serde_json::Value::from(text).to_string());
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

struct Raw;

impl<'de> Visitor<'de> for Raw {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(fields)
    }
}
