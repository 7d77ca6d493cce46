//! New connections a second from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Addresses remembered at a time; beyond it, those that have not asked for a second are forgotten, and
/// if none has, everyone is.
const MAX_ADDRESSES: usize = 65_536;

/// A token bucket per address; a second's worth may come at once.
pub struct Throttle {
    per_second: Option<u32>,
    buckets: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Throttle {
    /// `None`: everyone is admitted.
    pub fn new(per_second: Option<u32>) -> Self {
        Self { per_second, buckets: Mutex::default() }
    }

    /// Whether one more connection of `ip` fits the rate; of IPv6, the /64 counts as one address.
    pub fn admit(&self, ip: IpAddr, now: Instant) -> bool {
        let Some(rate) = self.per_second.map(f64::from) else { return true };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_ADDRESSES {
            buckets.retain(|_, (_, asked)| now.duration_since(*asked).as_secs() == 0);
            if buckets.len() >= MAX_ADDRESSES {
                buckets.clear();
            }
        }
        let (tokens, asked) = buckets.entry(network(ip)).or_insert((rate, now));
        *tokens = (*tokens + now.duration_since(*asked).as_secs_f64() * rate).min(rate);
        *asked = now;
        if *tokens < 1.0 {
            return false;
        }
        *tokens -= 1.0;
        true
    }
}

/// One customer has a whole /64 of IPv6.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_of_connections_may_come_at_once_and_then_the_rate_holds() {
        let (throttle, start) = (Throttle::new(Some(5)), Instant::now());
        let admitted = |ip: &str, millis| {
            let now = start + Duration::from_millis(millis);
            (0..20).filter(|_| throttle.admit(ip.parse().unwrap(), now)).count()
        };
        assert_eq!(admitted("1.1.1.1", 0), 5);
        assert_eq!(admitted("1.1.1.2", 0), 5);
        assert_eq!(admitted("1.1.1.1", 400), 2);
        assert_eq!(admitted("2001:db8::1", 0), 5);
        assert_eq!(admitted("2001:db8::2", 0), 0, "the same /64");
        assert!(Throttle::new(None).admit("1.1.1.1".parse().unwrap(), start));
    }

    #[test]
    fn memory_is_bounded() {
        let (throttle, now) = (Throttle::new(Some(1)), Instant::now());
        for n in 0..200_000u32 {
            throttle.admit(IpAddr::V4(n.into()), now);
        }
        assert!(throttle.buckets.lock().unwrap().len() <= MAX_ADDRESSES);
    }
}
