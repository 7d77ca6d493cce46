//! `TEST_NOTIFICATION`: told by each replica to its own sockets, so that each gets one, however many replicas.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::dialect::{Namespace, socketio};
use crate::socket::{Lane, frame};

/// Sockets written to before other tasks of the worker get their turn.
const TURN: usize = 256;

impl Lane {
    /// Sends the event once per `period`, for ever.
    pub(in crate::socket) async fn send_test_notifications(self: Rc<Self>, period: Duration) {
        let frames =
            Namespace::ALL.map(|namespace| frame::message(&socketio::test_notification(namespace)));
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            for some in self.all().chunks(TURN) {
                for conn in some {
                    let state = conn.state.borrow();
                    let Some(engine) = &state.engine else { continue };
                    let connected: Vec<Namespace> = engine.talk.connected().collect();
                    drop(state);
                    for namespace in connected {
                        conn.send(&self, &frames[namespace as usize], None);
                    }
                }
                tokio::task::yield_now().await;
            }
        }
    }
}
