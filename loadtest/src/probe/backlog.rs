//! Connections that the kernel turned away because a server did not accept them in time.

use std::fs;

/// `ListenOverflows` of this network namespace so far; it is of all servers on it.
pub(crate) fn listen_overflows() -> u64 {
    let text = fs::read_to_string("/proc/net/netstat").unwrap_or_default();
    overflows(&text).unwrap_or_default()
}

/// The file has pairs of lines, names and numbers.
fn overflows(netstat: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let mut fields = names.split_ascii_whitespace().zip(numbers.split_ascii_whitespace());
    fields.find(|(name, _)| *name == "ListenOverflows")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflows_are_found_by_name() {
        let text = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 3\n\
                    IpExt: InNoRoutes ListenOverflows\nIpExt: 7 8\n";
        assert_eq!(overflows(text), Some(22));
        assert_eq!(overflows("TcpExt: A\nTcpExt: 1\n"), None);
    }
}
