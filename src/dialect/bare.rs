use crate::notification::Notification;

/// The notification object itself.
pub(super) fn write_notification(notification: &Notification, out: &mut Vec<u8>) {
    out.extend_from_slice(notification.body().as_bytes());
}
