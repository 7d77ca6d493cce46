//! One pipeline to one node, and what its refusals mean.

use std::sync::Arc;

use deadpool_redis::{Connection, Pool};
use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, Script, ServerErrorKind, Value};

use super::connect::Node;
use crate::broker::Away;

#[derive(Clone)]
pub(super) struct Redirect {
    pub(super) to: Node,
    /// The slot is only on its way there.
    pub(super) asking: bool,
}

/// What can be done about a refusal.
pub(super) enum Remedy {
    Follow(Redirect),
    Wait,
    LookAgain,
    Nothing,
}

/// Commands for one node, some of which have to say ASKING first.
#[derive(Default)]
pub(super) struct Batch {
    pipeline: Pipeline,
    asking: Vec<bool>,
}

/// The batch again, for what has to be said once more, and the answers; what Redis refused is among them.
pub(super) type Sent = (Batch, Result<Vec<Value>, Away>);

impl Batch {
    pub(super) fn push(&mut self, asking: bool, command: Cmd) {
        if asking {
            self.pipeline.cmd("ASKING");
        }
        self.pipeline.add_command(command);
        self.asking.push(asking);
    }

    pub(super) fn commands(&self) -> impl Iterator<Item = &Cmd> {
        let mut commands = self.pipeline.cmd_iter();
        self.asking.iter().filter_map(move |asking| {
            if *asking {
                commands.next();
            }
            commands.next()
        })
    }

    pub(super) async fn send(self, pool: Pool, script: Option<Arc<Script>>) -> Sent {
        let answers = self.answers(pool, script).await;
        (self, answers)
    }

    async fn answers(&self, pool: Pool, script: Option<Arc<Script>>) -> Result<Vec<Value>, Away> {
        let mut connection = pool.get().await.map_err(|error| Away(error.to_string()))?;
        let mut values = match self.pipelined(&mut connection).await {
            Ok(values) => values,
            Err(error) => {
                // Not worth another try by somebody else.
                drop(Connection::take(connection));
                return Err(error.into());
            }
        };
        if let Some(script) = script {
            self.say_again(&mut connection, &script, &mut values).await?;
        }
        if values.iter().any(|value| has_kind(value, ServerErrorKind::ReadOnly)) {
            drop(Connection::take(connection));
        }
        Ok(values)
    }

    async fn pipelined(&self, connection: &mut Connection) -> Result<Vec<Value>, RedisError> {
        let values = connection.req_packed_commands(&self.pipeline, 0, self.pipeline.len()).await?;
        let mut values = values.into_iter();
        let answer = |asking: &bool| {
            if *asking {
                values.next();
            }
            values.next().unwrap_or(Value::Nil)
        };
        Ok(self.asking.iter().map(answer).collect())
    }

    /// Loads the script, if the node does not know it, and calls it where that was missing.
    async fn say_again(
        &self,
        connection: &mut Connection,
        script: &Script,
        values: &mut [Value],
    ) -> Result<(), Away> {
        let mut missing = Self::default();
        let mut places = Vec::new();
        for (at, command) in self.commands().enumerate() {
            if has_kind(&values[at], ServerErrorKind::NoScript) {
                missing.push(self.asking[at], command.clone());
                places.push(at);
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        script.prepare_invoke().load_async(connection).await?;
        for (at, answer) in places.into_iter().zip(missing.pipelined(connection).await?) {
            values[at] = answer;
        }
        Ok(())
    }
}

fn has_kind(value: &Value, kind: ServerErrorKind) -> bool {
    matches!(value, Value::ServerError(error) if error.kind() == Some(kind))
}

pub(super) fn remedy(error: &RedisError, answered: &Node) -> Remedy {
    let ErrorKind::Server(kind) = error.kind() else { return Remedy::Nothing };
    match kind {
        ServerErrorKind::Moved | ServerErrorKind::Ask => {
            let to = error.redirect_node().and_then(|(address, _)| redirected(address, answered));
            let asking = kind == ServerErrorKind::Ask;
            to.map_or(Remedy::LookAgain, |to| Remedy::Follow(Redirect { to, asking }))
        }
        ServerErrorKind::TryAgain => Remedy::Wait,
        ServerErrorKind::ReadOnly
        | ServerErrorKind::ClusterDown
        | ServerErrorKind::MasterDown
        | ServerErrorKind::BusyLoading => Remedy::LookAgain,
        _ => Remedy::Nothing,
    }
}

/// `host:port` of a redirection; without a host, it is that of the node which answered.
fn redirected(address: &str, answered: &Node) -> Option<Node> {
    let (host, port) = address.rsplit_once(':')?;
    let host = if host.is_empty() { answered.host.clone() } else { host.to_owned() };
    (host != "?").then_some(Node { host, port: port.parse().ok()? })
}
