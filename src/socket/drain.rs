use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Lane;

/// A client that was released comes back after at most this long; the closes themselves are spread.
const COME_BACK_WITHIN: Duration = Duration::from_secs(1);

/// Closes the lane's sockets evenly over `window`, in an order that has nothing to do with their age.
pub(super) async fn drain(lane: Rc<Lane>, window: Duration) {
    let start = Instant::now();
    let mut waiting: Vec<_> = lane.all().iter().map(|conn| conn.address).collect();
    fastrand::shuffle(&mut waiting);
    let step =
        window.checked_div(u32::try_from(waiting.len()).unwrap_or(u32::MAX)).unwrap_or_default();
    for (place, address) in (0u32..).zip(waiting) {
        sleep_until(start + step * place + step.mul_f64(fastrand::f64())).await;
        if let Some(conn) = lane.at(address) {
            conn.release(&lane, come_back());
        }
    }
    // Those whose handshake was under way when the drain began.
    for conn in lane.all() {
        conn.release(&lane, come_back());
    }
}

fn come_back() -> Duration {
    COME_BACK_WITHIN.mul_f64(fastrand::f64())
}
