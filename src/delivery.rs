//! A notification on its way to sockets: parsed once, encoded at most once per form.

use std::sync::OnceLock;
use std::time::Instant;

use bytes::Bytes;

use crate::dialect::Form;
use crate::notification::Notification;
use crate::socket::frame;

/// Shared by all sockets that get it.
#[derive(Debug)]
pub struct Parcel {
    notification: Notification,
    received: Instant,
    frames: [OnceLock<Bytes>; Form::ALL.len()],
}

impl Parcel {
    /// `received` is when the broker handed it over.
    pub fn new(notification: Notification, received: Instant) -> Self {
        Self { notification, received, frames: Default::default() }
    }

    /// What all its frames are encoded from.
    pub fn notification(&self) -> &Notification {
        &self.notification
    }

    /// When the broker handed it over; `campanile_delivery_seconds` counts from here.
    pub fn received(&self) -> Instant {
        self.received
    }

    /// The whole WebSocket frame.
    pub fn frame(&self, form: Form) -> &Bytes {
        self.frames[form as usize].get_or_init(|| {
            let room = self.notification.body().len() + 128;
            frame::text(room, |out| form.write(&self.notification, out))
        })
    }
}
