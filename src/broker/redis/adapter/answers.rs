//! Answers to servers with the sharded adapter. It counts who is subscribed to the namespace, replicas too,
//! and whoever asks waits for as many answers; so a replica says that it has nothing.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::broker::Away;
use crate::broker::redis::commands::Commands;
use crate::telemetry::Metrics;

/// Answers that wait to be published. What comes when it is full is dropped: who asked runs into a timeout.
const MAX_WAITING: usize = 1024;
/// Answers in one pipeline.
const AT_A_TIME: usize = 64;

/// A channel and what to say there.
type Answer = (String, String);

/// The way to whoever asked.
pub(in crate::broker::redis) struct Answers {
    waiting: mpsc::Sender<Answer>,
    metrics: Arc<Metrics>,
}

impl Answers {
    /// Starts publishing on the current runtime, for as long as this lives.
    pub(in crate::broker::redis) fn start(commands: Arc<Commands>, metrics: Arc<Metrics>) -> Self {
        let (waiting, answers) = mpsc::channel(MAX_WAITING);
        tokio::spawn(publish(answers, commands, metrics.clone()));
        Self { waiting, metrics }
    }

    /// Never waits.
    pub(in crate::broker::redis) fn give(&self, channel: String, answer: String) {
        if self.waiting.try_send((channel, answer)).is_err() {
            count(&self.metrics, "dropped", 1);
        }
    }
}

async fn publish(
    mut answers: mpsc::Receiver<Answer>,
    commands: Arc<Commands>,
    metrics: Arc<Metrics>,
) {
    let mut batch = Vec::new();
    while answers.recv_many(&mut batch, AT_A_TIME).await > 0 {
        match commands.publish_sharded(&batch).await {
            Ok(()) => count(&metrics, "ok", batch.len()),
            Err(Away(why)) => {
                count(&metrics, "away", batch.len());
                tracing::debug!(why, "a Socket.IO server gets no answer");
            }
        }
        batch.clear();
    }
}

fn count(metrics: &Metrics, result: &str, answers: usize) {
    metrics.adapter_answers.with_label_values(&[result]).inc_by(answers as u64);
}
