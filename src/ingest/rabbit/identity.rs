//! Under which id a message is published whose body has none, so that a message handed out twice is published
//! once.

use lapin::BasicProperties;
use uuid::Uuid;

/// Namespace of the ids made here.
const NAMESPACE: Uuid = Uuid::from_u128(0x6361_6d70_616e_696c_652d_616d_7170_6e31);

/// The same for the same `message_id`, or for the same body and properties where there is none.
///
/// Headers, exchange and routing key do not count: RabbitMQ itself changes those of a message that it hands out
/// again or moves (`x-delivery-count`, `x-death`).
pub(super) fn derived(data: &[u8], properties: &BasicProperties) -> Uuid {
    if let Some(id) = properties.message_id() {
        return Uuid::new_v5(&NAMESPACE, format!("message_id\0{id}").as_bytes());
    }
    let mut name = b"message\0".to_vec();
    let text = |value: &Option<lapin::types::ShortString>| {
        value.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    let timestamp = properties.timestamp().map(|at| at.to_string()).unwrap_or_default();
    for part in [
        timestamp,
        text(properties.correlation_id()),
        text(properties.kind()),
        text(properties.app_id()),
    ] {
        name.extend(part.as_bytes());
        name.push(0);
    }
    name.extend(data);
    Uuid::new_v5(&NAMESPACE, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_decides_and_without_one_body_and_properties_do() {
        let plain = BasicProperties::default;
        let named = plain().with_message_id("a".into());
        assert_eq!(derived(b"x", &named), derived(b"y", &named));
        assert_ne!(derived(b"x", &named), derived(b"x", &plain().with_message_id("b".into())));
        assert_eq!(derived(b"x", &plain()), derived(b"x", &plain()));
        assert_ne!(derived(b"x", &plain()), derived(b"y", &plain()));
        let told = |at| derived(b"x", &plain().with_timestamp(at));
        assert_eq!(told(1), told(1));
        assert_ne!(told(1), told(2));
        let moved = plain().with_headers(lapin::types::FieldTable::default());
        assert_eq!(derived(b"x", &moved), derived(b"x", &plain()));
    }
}
