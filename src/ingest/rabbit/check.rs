//! What `campanile check` tries at RabbitMQ, without leaving a trace.

use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection};

use super::link::{self, Door, Trouble, answer};
use crate::config;

/// A queue that nobody has.
const NOWHERE: &str = "campanile-check-of-the-default-exchange";

/// What there is between the configuration and the queue, a line each; a problem is an `Err`.
pub async fn check(config: &config::Amqp) -> Vec<Result<String, String>> {
    let door = match Door::new(config) {
        Ok(door) => door,
        Err(trouble) => return vec![Err(trouble.to_string())],
    };
    let connection = match door.connect("campanile check").await {
        Ok(connection) => connection,
        Err(trouble) => return vec![Err(trouble.to_string())],
    };
    let mut lines = vec![Ok(format!("connected to {door}"))];
    for queue in [config.queue.clone(), link::dead(&config.queue)] {
        lines.push(may_have(&connection, &queue).await.map_err(|trouble| trouble.to_string()));
    }
    for (what, result) in [
        ("consume the queue", may_consume(&connection, &config.queue).await),
        ("publish to the queue of the dead", may_publish(&connection).await),
    ] {
        lines.push(match result {
            Ok(()) => Ok(format!("may {what}")),
            Err(trouble) => Err(format!("may not {what}: {trouble}")),
        });
    }
    // Best effort: the process ends in a moment.
    answer("", connection.close(200, "bye".into())).await.ok();
    lines
}

/// The queue exists, or can be created; in that case it is deleted again.
async fn may_have(connection: &Connection, queue: &str) -> Result<String, Trouble> {
    let channel = link::open_channel(connection).await?;
    match link::depth(&channel, queue).await {
        Ok(messages) => return Ok(format!("the queue {queue} has {messages} messages")),
        Err(trouble) if trouble.objection == Some(AMQPSoftError::NOTFOUND) => {}
        Err(trouble) => return Err(trouble),
    }
    let channel = link::open_channel(connection).await?;
    let declaring =
        channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), FieldTable::default());
    answer(format!("cannot create the queue {queue}"), declaring).await?;
    let options = QueueDeleteOptions { if_unused: true, if_empty: true, nowait: false };
    let deleting = channel.queue_delete(queue.into(), options);
    answer(format!("cannot delete the queue {queue} again"), deleting).await?;
    Ok(format!("the queue {queue} does not exist yet and can be created"))
}

/// Asks with an argument that RabbitMQ refuses, after it has seen who asks: no message is handed out.
async fn may_consume(connection: &Connection, queue: &str) -> Result<(), Trouble> {
    let channel = link::open_channel(connection).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-priority".into(), AMQPValue::LongString("none".into()));
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(queue.into(), "".into(), options, arguments);
    match answer("refused", consuming).await {
        Err(trouble) if trouble.objection == Some(AMQPSoftError::ACCESSREFUSED) => Err(trouble),
        _ => Ok(()),
    }
}

async fn may_publish(connection: &Connection) -> Result<(), Trouble> {
    let channel = link::open_channel(connection).await?;
    let selecting = channel.confirm_select(ConfirmSelectOptions::default());
    answer("cannot ask for confirms", selecting).await?;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default();
    let publishing = channel.basic_publish("".into(), NOWHERE.into(), options, b"", properties);
    let confirm = answer("refused", publishing).await?;
    answer("refused", confirm).await.map(|_| ())
}
