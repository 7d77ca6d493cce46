use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::Request;
use crate::broker::log::{Ask, Since};
use crate::broker::{Away, Broker};

/// Logs in one pipeline; it takes Redis a few milliseconds.
const BATCH: usize = 128;
/// Pipelines under way.
const PIPELINES: usize = 2;

/// Answers every request, those of one moment together.
pub(super) async fn read_for_all(broker: Broker, mut requests: mpsc::Receiver<Request>) {
    let pipelines = Arc::new(Semaphore::new(PIPELINES));
    let mut batch = Vec::new();
    // Waited for first: what arrives meanwhile shares the pipeline.
    while let Ok(turn) = pipelines.clone().acquire_owned().await {
        if requests.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let (broker, batch) = (broker.clone(), std::mem::take(&mut batch));
        tokio::spawn(async move {
            let (asks, answers): (Vec<Ask>, Vec<_>) =
                batch.into_iter().map(|request| (request.ask, request.answer)).unzip();
            let parts: Vec<Result<Since, Away>> = match broker.catch_up(&asks).await {
                Ok(parts) => parts.into_iter().map(Ok).collect(),
                Err(away) => asks.iter().map(|_| Err(away.clone())).collect(),
            };
            for (answer, part) in answers.into_iter().zip(parts) {
                // Whoever waited may have given up.
                answer.send(part).ok();
            }
            drop(turn);
        });
    }
}
