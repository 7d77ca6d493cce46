//! Adds fields to a JSON object and keeps the text of the others as it is.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json_string;

/// The object `text` with `first` put in front and the names in `skip` left out.
///
/// `first` holds names and JSON literals. Without anything to skip the rest is copied as it stands;
/// `text` must be one JSON object without surrounding white space.
pub(crate) fn rewrite(text: &str, first: &[(&str, String)], skip: &[&str]) -> String {
    let mut out = String::with_capacity(
        text.len() + first.iter().map(|(name, raw)| name.len() + raw.len() + 4).sum::<usize>(),
    );
    out.push('{');
    for (name, raw) in first {
        push_field(&mut out, &format!("\"{name}\""), raw);
    }
    if skip.is_empty() {
        let rest = text.strip_prefix('{').unwrap_or(text);
        // `{ }` has nothing to put a comma in front of.
        if !rest.trim_start().starts_with('}') && !first.is_empty() {
            out.push(',');
        }
        out.push_str(rest);
        return out;
    }
    let mut json = serde_json::Deserializer::from_str(text);
    // The text was parsed before; should it fail here, what was copied so far is still an object.
    if let Ok(fields) = (&mut json).deserialize_map(Raw) {
        for (name, raw) in fields.iter().filter(|(name, _)| !skip.contains(&name.as_str())) {
            push_field(&mut out, &json_string(name), raw.get());
        }
    }
    out.push('}');
    out
}

fn push_field(out: &mut String, name: &str, raw: &str) {
    if out.len() > 1 {
        out.push(',');
    }
    out.push_str(name);
    out.push(':');
    out.push_str(raw);
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
