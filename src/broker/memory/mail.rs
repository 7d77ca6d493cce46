//! The schedule in memory: lost with the process, as the log is.

use std::collections::HashMap;
use std::time::Duration;

use super::log::Log;
use crate::broker::mail::{Due, Look, Peek, Taken, Ticket};

/// When each is due, or lost by whoever is at it, in milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Schedule(HashMap<Due, u64>);

impl Schedule {
    pub(super) fn add(&mut self, due: Due, at: u64) {
        self.0.insert(due, at);
    }

    pub(super) fn remove(&mut self, due: &Due) {
        self.0.remove(due);
    }

    pub(super) fn peek(&self, now: u64) -> Peek {
        let mut dues: Vec<_> = self.0.iter().filter(|(_, at)| **at <= now).collect();
        dues.sort_unstable_by_key(|(_, at)| **at);
        let first: Vec<Due> = dues.into_iter().map(|(due, _)| due.clone()).collect();
        Peek { count: first.len() as u64, first, away: None }
    }

    pub(super) fn look(&mut self, due: &Due, log: Option<&Log>, now: u64) -> Look {
        if self.0.get(due).is_none_or(|at| *at > now) {
            return Look::Other;
        }
        let look = match log.and_then(|log| log.find(&due.id)) {
            None => Look::Gone,
            Some(entry) if entry.unread => return Look::Unread,
            Some(_) => Look::Read,
        };
        self.0.remove(due);
        look
    }

    pub(super) fn take(&mut self, due: &Due, log: Option<&Log>, now: u64, hold: Duration) -> Taken {
        let look = self.look(due, log, now);
        let entry = log.and_then(|log| log.find(&due.id)).filter(|_| look == Look::Unread);
        let Some(entry) = entry else { return Taken::Not(look) };
        let token = later(now, hold);
        self.0.insert(due.clone(), token);
        Taken::Yours(Ticket { token, at: entry.cursor.at, payload: entry.payload })
    }

    pub(super) fn hold(
        &mut self,
        due: &Due,
        token: u64,
        now: u64,
        longer: Duration,
    ) -> Option<u64> {
        let at = self.0.get_mut(due).filter(|at| **at == token)?;
        *at = later(now, longer);
        Some(*at)
    }
}

pub(super) fn later(now: u64, duration: Duration) -> u64 {
    now.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// As `scripts/mail/schedule.lua` looks: a text under one of the names, wherever it is.
pub(super) fn has_address(payload: &str) -> bool {
    ["\"user_email\"", "\"userEmail\"", "\"user_Email\"", "\"useremail\""].iter().any(|name| {
        payload.match_indices(name).any(|(at, _)| {
            let value = payload.get(at + name.len()..).unwrap_or_default().trim_start();
            let value = value.strip_prefix(':').unwrap_or_default().trim_start();
            value.starts_with('"') && !value.starts_with("\"\"")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_text_under_one_of_the_names() {
        for (payload, has) in [
            (r#"{"user_email":"a@b"}"#, true),
            (r#"{"userEmail" : "a@b"}"#, true),
            (r#"{"user_email":null,"userEmail":"a@b"}"#, true),
            (r#"{"user_email":null}"#, false),
            (r#"{"user_email":""}"#, false),
            (r#"{"email":"a@b"}"#, false),
            (r#"{"message":"user_email"}"#, false),
        ] {
            assert_eq!(has_address(payload), has, "{payload}");
        }
    }
}
