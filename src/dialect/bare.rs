use crate::notification::Notification;

/// The notification object itself.
pub(super) fn write_notification(notification: &Notification, out: &mut String) {
    out.push_str(notification.body());
}
