//! File descriptors: every socket takes one, and what a process is given at first is often 1,024.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a replica has open beside its clients: listeners, event queues of workers, links to Redis, RabbitMQ and mail
/// servers, and clients that are being answered and are no socket yet.
const RESERVED: u64 = 128;

/// How many files this process may have open at once; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptors {
    before: Option<u64>,
    now: Option<u64>,
}

/// Raises the soft limit to the hard one, which every process may. Where that fails, it stays as it was.
pub(crate) fn raise() -> Descriptors {
    let Rlimit { current: before, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files stays as it is");
            before
        }
    };
    Descriptors { before, now }
}

impl Descriptors {
    /// What to say when so many sockets do not fit.
    pub(crate) fn too_few_for(self, connections: Option<usize>) -> Option<String> {
        let (connections, now) = (connections? as u64, self.now?);
        let needed = connections.saturating_add(RESERVED);
        (needed > now).then(|| {
            format!(
                "CAMPANILE_MAX_CONNECTIONS is {connections}, which takes {needed} open files, and this process may have \
                 {now}: raise its hard limit (ulimit -Hn, LimitNOFILE= of systemd or of the container's runtime) or lower \
                 CAMPANILE_MAX_CONNECTIONS; clients beyond it get no answer at all"
            )
        })
    }
}

/// As `256→20000`, or one number where nothing was raised.
impl fmt::Display for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |limit: Option<u64>| limit.map_or("unlimited".into(), |limit| limit.to_string());
        if self.before != self.now {
            write!(f, "{}→", text(self.before))?;
        }
        f.write_str(&text(self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_said_with_what_it_takes() {
        let some = |now| Descriptors { before: Some(256), now: Some(now) };
        assert_eq!(some(1024).too_few_for(None), None);
        assert_eq!(some(1024).too_few_for(Some(1024 - 128)), None);
        let said = some(1024).too_few_for(Some(1024 - 127)).unwrap_or_default();
        assert!(
            said.contains("is 897, which takes 1025") && said.contains("may have 1024"),
            "{said}"
        );
        assert_eq!(Descriptors { before: None, now: None }.too_few_for(Some(usize::MAX)), None);
    }

    #[test]
    fn what_was_raised_is_shown_from_soft_to_hard() {
        assert_eq!(Descriptors { before: Some(256), now: Some(400) }.to_string(), "256→400");
        assert_eq!(Descriptors { before: Some(400), now: Some(400) }.to_string(), "400");
        assert_eq!(Descriptors { before: Some(400), now: None }.to_string(), "400→unlimited");
    }
}
