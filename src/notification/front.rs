//! Puts what a payload does not say in front of what it says, and finds id and type in the result.

use std::sync::Arc;

use super::fields::{Fields, Slot};
use super::rewrite::{push_field, push_rest, rewrite};

/// Room for what is usually missing: id, type, timestamp, user.
const ROOM: usize = 192;

/// Where a literal stands in a body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    from: u32,
    to: u32,
}

impl Span {
    fn new(from: usize, to: usize) -> Self {
        // Payloads have a limit far below.
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { from: number(from), to: number(to) }
    }

    /// Where `part`, which is a slice of `text`, stands there, and `more` bytes further on.
    fn within(text: &str, part: &str, more: usize) -> Self {
        let from = part.as_ptr().addr() - text.as_ptr().addr() + more;
        Self::new(from, from + part.len())
    }

    /// The literal.
    pub(super) fn of(self, body: &str) -> &str {
        body.get(self.from as usize..self.to as usize).unwrap_or_default()
    }
}

/// The first fields of the body, as far as they are not in the payload.
pub(super) struct Front<'a> {
    text: &'a str,
    out: String,
    id: Option<Span>,
    kind: Option<Span>,
    names: Vec<&'static str>,
}

impl<'a> Front<'a> {
    /// Of one JSON object without surrounding white space.
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, out: String::new(), id: None, kind: None, names: Vec::new() }
    }

    /// Adds the field, unless it is there: from its alias, or as `missing` writes it.
    pub(super) fn fill(
        &mut self,
        name: &'static str,
        slot: &Slot<'_>,
        missing: impl FnOnce(&mut String),
    ) {
        if !slot.needs_canonical() {
            return;
        }
        let span = self.push(name, |out| match slot.value() {
            Some(raw) => out.push_str(raw),
            None => missing(out),
        });
        match name {
            "id" => self.id = Some(span),
            "type" => self.kind = Some(span),
            _ => {}
        }
    }

    /// Adds the field.
    pub(super) fn push(&mut self, name: &'static str, value: impl FnOnce(&mut String)) -> Span {
        if self.out.is_empty() {
            self.out.reserve(self.text.len() + ROOM);
            self.out.push('{');
        }
        push_field(&mut self.out, name);
        let from = self.out.len();
        value(&mut self.out);
        self.names.push(name);
        Span::new(from, self.out.len())
    }

    /// The body, and where its id and its type are.
    pub(super) fn join(mut self, fields: &Fields<'a>) -> (Arc<str>, Span, Span) {
        let own = |slot: &Slot<'_>, text: &str, more| {
            slot.own().map_or_else(Span::default, |raw| Span::within(text, raw, more))
        };
        if self.out.is_empty() {
            let (id, kind) = (own(&fields.id, self.text, 0), own(&fields.kind, self.text, 0));
            return (self.text.into(), id, kind);
        }
        if fields.has_unusable() {
            // A name whose value cannot be used would stand there twice.
            let without = rewrite::<&str>(self.text, &[], &self.names);
            push_rest(&mut self.out, &without);
            let (id, kind) = Fields::read(&self.out).map_or_else(Default::default, |fields| {
                (own(&fields.id, &self.out, 0), own(&fields.kind, &self.out, 0))
            });
            return (self.out.into(), id, kind);
        }
        let more = push_rest(&mut self.out, self.text);
        let id = self.id.unwrap_or_else(|| own(&fields.id, self.text, more));
        let kind = self.kind.unwrap_or_else(|| own(&fields.kind, self.text, more));
        (self.out.into(), id, kind)
    }
}
