//! One pipeline to one node, and what its refusals mean.

use std::sync::Arc;

use deadpool_redis::{Connection, Pool};
use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, RedisError, Script, ServerErrorKind, Value};

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

/// One pipeline; each command with whether it has to say ASKING first. What Redis refused is among the values.
pub(super) async fn send(
    pool: Pool,
    commands: Vec<(bool, Cmd)>,
    script: Option<Arc<Script>>,
) -> Result<Vec<Value>, Away> {
    let mut connection = pool.get().await.map_err(|error| Away(error.to_string()))?;
    let sent = pipelined(&mut connection, &commands).await;
    let mut values = match sent {
        Ok(values) => values,
        Err(error) => {
            // Not worth another try by somebody else.
            drop(Connection::take(connection));
            return Err(error.into());
        }
    };
    if let Some(script) = script {
        let missing: Vec<usize> = (0..values.len())
            .filter(|&at| has_kind(&values[at], ServerErrorKind::NoScript))
            .collect();
        if !missing.is_empty() {
            script.prepare_invoke().load_async(&mut connection).await?;
            let commands: Vec<_> = missing.iter().map(|&at| commands[at].clone()).collect();
            let answers = pipelined(&mut connection, &commands).await?;
            for (at, answer) in missing.into_iter().zip(answers) {
                values[at] = answer;
            }
        }
    }
    if values.iter().any(|value| has_kind(value, ServerErrorKind::ReadOnly)) {
        drop(Connection::take(connection));
    }
    Ok(values)
}

async fn pipelined(
    connection: &mut Connection,
    commands: &[(bool, Cmd)],
) -> Result<Vec<Value>, RedisError> {
    let mut pipeline = redis::Pipeline::with_capacity(commands.len());
    for (asking, command) in commands {
        if *asking {
            pipeline.cmd("ASKING");
        }
        pipeline.add_command(command.clone());
    }
    let mut values =
        connection.req_packed_commands(&pipeline, 0, pipeline.len()).await?.into_iter();
    let mut answers = Vec::with_capacity(commands.len());
    for (asking, _) in commands {
        if *asking {
            values.next();
        }
        answers.push(values.next().unwrap_or(Value::Nil));
    }
    Ok(answers)
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
