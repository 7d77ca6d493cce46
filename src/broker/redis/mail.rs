//! The schedule in Redis: sorted sets, one in each slot of a cluster, so that a script may touch it together with the
//! log of a user.

use std::sync::Arc;
use std::time::Duration;

use redis::Script;

use super::commands::{Commands, evalsha, keyed};
use super::log::with_core;
use super::nodes::Call;
use crate::broker::Away;
use crate::broker::mail::{Due, FAILED, Look, Peek, Taken, Ticket};
use crate::notification::UserId;

/// Sets that are looked into by one pipeline.
const PIPELINE: usize = 1024;
/// How many are named of those that are due in one set.
const NAMED: usize = 256;
/// The same where every slot has a set.
const NAMED_IN_SLOT: usize = 4;

/// `[verdict, token, ms of appending, payload]`
type Answer = (String, String, String, Vec<u8>);

pub(in crate::broker) struct Mail {
    commands: Arc<Commands>,
    /// Every set there can be.
    dues: Vec<String>,
    lease: Arc<Script>,
    peek: Arc<Script>,
    take: Arc<Script>,
    hold: Arc<Script>,
}

impl Mail {
    pub(super) fn new(commands: Arc<Commands>) -> Self {
        let take = with_core(&commands, include_str!("scripts/mail/take.lua"));
        Self {
            dues: commands.channels.mail_dues(),
            lease: Arc::new(Script::new(include_str!("scripts/lease.lua"))),
            peek: Arc::new(Script::new(include_str!("scripts/mail/peek.lua"))),
            take: Arc::new(Script::new(&take)),
            hold: Arc::new(Script::new(include_str!("scripts/mail/hold.lua"))),
            commands,
        }
    }

    pub(in crate::broker) async fn lead(
        &self,
        replica: &str,
        lasts: Duration,
    ) -> Result<bool, Away> {
        let key = [self.commands.channels.mail_lease()];
        let arguments = [replica.to_owned(), lasts.as_millis().to_string()];
        let held: u8 = self.commands.script("lease", &self.lease, &key, &arguments).await?;
        Ok(held == 1)
    }

    /// One pipeline after the other; where one fails the others are still asked.
    pub(in crate::broker) async fn peek(&self) -> Result<Peek, Away> {
        let mut peek = Peek::default();
        let named = if self.dues.len() > 1 { NAMED_IN_SLOT } else { NAMED };
        let mut failed = 0;
        for dues in self.dues.chunks(PIPELINE) {
            let calls: Vec<Call> = dues
                .iter()
                .map(|due| {
                    evalsha(&self.peek, std::slice::from_ref(due), |call| {
                        call.arg(named);
                    })
                })
                .collect();
            let answers = self.commands.scripted("mail", &self.peek, calls).await;
            match answers {
                Ok(answers) => {
                    let answers: Vec<(u64, Vec<Vec<u8>>)> = answers;
                    for (count, members) in answers {
                        peek.count += count;
                        peek.first.extend(members.iter().filter_map(|member| due(member)));
                    }
                }
                Err(away) => {
                    failed += dues.len();
                    peek.away = Some(away);
                }
            }
        }
        match peek.away {
            Some(away) if failed == self.dues.len() => Err(away),
            _ => Ok(peek),
        }
    }

    pub(in crate::broker) async fn look(&self, dues: &[Due]) -> Result<Vec<Look>, Away> {
        let answers = self.ask(dues, Duration::ZERO).await?;
        answers.iter().map(|answer| verdict(&answer.0)).collect()
    }

    pub(in crate::broker) async fn take(&self, due: &Due, hold: Duration) -> Result<Taken, Away> {
        let answers = self.ask(std::slice::from_ref(due), hold).await?;
        let Some((verdict, token, at, payload)) = answers.into_iter().next() else {
            return Err(Away("a script did not answer".into()));
        };
        Ok(match self::verdict(&verdict)? {
            Look::Unread => {
                let payload = String::from_utf8_lossy(&payload).into_owned();
                Taken::Yours(Ticket { token: number(&token)?, at: number(&at)?, payload })
            }
            other => Taken::Not(other),
        })
    }

    async fn ask(&self, dues: &[Due], hold: Duration) -> Result<Vec<Answer>, Away> {
        let calls = dues
            .iter()
            .map(|due| {
                let mut keys = self.commands.channels.inbox(due.user.as_str()).to_vec();
                keys.push(self.commands.channels.mail_due_of(&keys[0]));
                evalsha(&self.take, &keys, |call| {
                    call.arg(member(due)).arg(&due.id).arg(ms(hold));
                })
            })
            .collect();
        self.commands.scripted("mail", &self.take, calls).await
    }

    pub(in crate::broker) async fn hold(
        &self,
        due: &Due,
        token: u64,
        longer: Duration,
    ) -> Result<Option<u64>, Away> {
        let arguments = [member(due), token.to_string(), ms(longer).to_string()];
        let till: String =
            self.commands.script("mail", &self.hold, &[self.schedule(due)], &arguments).await?;
        Ok(Some(number(&till)?).filter(|&till| till > 0))
    }

    pub(in crate::broker) async fn done(&self, due: &Due) -> Result<(), Away> {
        let call = keyed("ZREM", &self.schedule(due), &[&member(due)]);
        self.commands.run::<(u64,)>("mail", vec![call]).await.map(|_| ())
    }

    pub(in crate::broker) async fn failed(&self, record: &str) -> Result<(), Away> {
        let key = self.commands.channels.mail_failed();
        let last = (FAILED - 1).to_string();
        let calls = vec![keyed("LPUSH", &key, &[record]), keyed("LTRIM", &key, &["0", &last])];
        self.commands.run::<(u64, String)>("mail", calls).await.map(|_| ())
    }

    fn schedule(&self, due: &Due) -> String {
        let channels = &self.commands.channels;
        channels.mail_due_of(&channels.inbox(due.user.as_str())[0])
    }
}

fn member(due: &Due) -> String {
    [due.user.as_str(), "\n", &due.id].concat()
}

/// `None` for what nobody of ours has put there.
fn due(member: &[u8]) -> Option<Due> {
    let (user, id) = std::str::from_utf8(member).ok()?.split_once('\n')?;
    Some(Due { user: UserId::new(user).ok()?, id: id.to_owned() })
}

fn verdict(text: &str) -> Result<Look, Away> {
    match text {
        "other" => Ok(Look::Other),
        "read" => Ok(Look::Read),
        "gone" => Ok(Look::Gone),
        "unread" => Ok(Look::Unread),
        _ => Err(Away(format!("a script answered {text:?} for a verdict"))),
    }
}

fn number(text: &str) -> Result<u64, Away> {
    text.parse().map_err(|_| Away(format!("a script answered {text:?} for a number")))
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
