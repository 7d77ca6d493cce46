//! One pass over a payload that finds the known fields without copying the others.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Invalid, Target};

/// What was found for one known field: under its own name, or under an alias.
#[derive(Default)]
pub(super) struct Slot<'a> {
    own: Option<&'a str>,
    alias: Option<&'a str>,
    /// The own name is there with a value that cannot be used, such as `null`.
    unusable: bool,
}

impl<'a> Slot<'a> {
    pub(super) fn value(&self) -> Option<&'a str> {
        self.own.or(self.alias)
    }

    /// The value under the field's own name.
    pub(super) fn own(&self) -> Option<&'a str> {
        self.own
    }

    /// Whether clients would not find the field under its own name.
    pub(super) fn needs_canonical(&self) -> bool {
        self.own.is_none()
    }

    /// JSON lets a name appear twice; like every parser in a browser, the last one counts.
    fn set_own(&mut self, raw: &'a str, usable: bool) {
        self.own = usable.then_some(raw);
        self.unusable = !usable;
    }

    fn set_alias(&mut self, raw: &'a str, usable: bool) {
        if usable {
            self.alias = Some(raw);
        }
    }
}

/// The known fields of a payload, as raw JSON.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) id: Slot<'a>,
    pub(super) kind: Slot<'a>,
    pub(super) timestamp: Slot<'a>,
    pub(super) user: Slot<'a>,
    pub(super) email: Slot<'a>,
    pub(super) shadows_envelope: bool,
}

impl<'a> Fields<'a> {
    /// `None` when `text` is not exactly one JSON object.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let mut json = serde_json::Deserializer::from_str(text);
        let fields = (&mut json).deserialize_map(FieldsVisitor).ok()?;
        json.end().ok()?;
        Some(fields)
    }

    pub(super) fn check_user(&self, target: Target<'_>) -> Result<(), Invalid> {
        for raw in [self.user.own, self.user.alias].into_iter().flatten() {
            let said: Cow<'_, str> = match serde_json::from_str(raw) {
                Ok(serde_json::Value::String(text)) => text.into(),
                _ => raw.into(),
            };
            if target != Target::User(&said) {
                return Err(Invalid::WrongUser);
            }
        }
        Ok(())
    }

    pub(super) fn has_unusable(&self) -> bool {
        let always = [&self.id, &self.kind, &self.timestamp, &self.user];
        // Without an alias nothing takes its place.
        always.iter().any(|slot| slot.unusable)
            || (self.email.unusable && self.email.alias.is_some())
    }
}

#[derive(Clone, Copy)]
enum Name {
    Id,
    NotificationId { shadows: bool },
    Kind,
    KindAlias { shadows: bool },
    Timestamp,
    SentAt,
    User,
    UserAlias,
    Email,
    EmailAlias,
    Other,
}

struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(match name {
            "id" => Name::Id,
            "notification_id" => Name::NotificationId { shadows: true },
            "notificationId" => Name::NotificationId { shadows: false },
            "type" => Name::Kind,
            "notification_type" => Name::KindAlias { shadows: true },
            "eventType" => Name::KindAlias { shadows: false },
            "timestamp" => Name::Timestamp,
            "sentAt" => Name::SentAt,
            "user_id" => Name::User,
            "userId" => Name::UserAlias,
            "user_email" => Name::Email,
            "userEmail" => Name::EmailAlias,
            _ => Name::Other,
        })
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key_seed(NameSeed)? {
            if matches!(name, Name::Other) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let raw = map.next_value::<&RawValue>()?.get();
            match name {
                Name::Id => fields.id.set_own(raw, is_id(raw)),
                Name::NotificationId { shadows } => {
                    fields.id.set_alias(raw, is_id(raw));
                    fields.shadows_envelope |= shadows;
                }
                Name::Kind => fields.kind.set_own(raw, is_text(raw)),
                Name::KindAlias { shadows } => {
                    fields.kind.set_alias(raw, is_text(raw));
                    fields.shadows_envelope |= shadows;
                }
                // A timestamp of another kind, such as a number, is the publisher's business.
                Name::Timestamp => fields.timestamp.set_own(raw, raw != "null"),
                Name::SentAt => fields.timestamp.set_alias(raw, is_text(raw)),
                Name::User => fields.user.set_own(raw, raw != "null"),
                Name::UserAlias => fields.user.set_alias(raw, raw != "null"),
                Name::Email => fields.email.set_own(raw, is_text(raw)),
                Name::EmailAlias => fields.email.set_alias(raw, is_text(raw)),
                Name::Other => {}
            }
        }
        Ok(fields)
    }
}

fn is_text(raw: &str) -> bool {
    raw.starts_with('"') && raw != "\"\""
}

fn is_id(raw: &str) -> bool {
    is_text(raw) || raw.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}
