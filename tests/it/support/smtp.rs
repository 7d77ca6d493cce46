//! A mail server that keeps what it accepts, and misbehaves when told: `tests/clients/smtp_sink.py`.

use std::time::Duration;

use serde_json::{Value, json};

use super::gateway::Builder;
use super::script::Script;
use super::wait::until;

/// A running sink; dropping it ends it.
pub(crate) struct Sink {
    script: Script,
    port: u64,
}

/// One mail that the sink has accepted.
#[derive(Clone, Debug)]
pub(crate) struct Mail(Value);

impl Sink {
    pub(crate) async fn start() -> Self {
        let mut script = Script::python("smtp_sink.py", &[]);
        let port = script.next_of("listening").await["port"].as_u64().unwrap();
        Self { script, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Has a replica mail to this sink what was unread for a second.
    pub(crate) fn behind(&self, builder: Builder) -> Builder {
        builder
            .env("CAMPANILE_SMTP_URL", &self.url())
            .env("CAMPANILE_SMTP_TIMEOUT", "2s")
            .env("CAMPANILE_MAIL_FROM", "Bell <bell@app.example>")
            .env("CAMPANILE_MAIL_AFTER", "1s")
            .env("CAMPANILE_MAIL_PER_SECOND", "1000")
    }

    /// Connections are refused while it does not listen.
    pub(crate) async fn listen(&mut self, on: bool) {
        self.order(&json!({"do": "listen", "on": on})).await;
    }

    /// Has commands fail with this probability: `kinds` are reply codes, `stall` and `drop`.
    pub(crate) async fn faults(&mut self, probability: f64, kinds: &[&str], seed: u64) {
        let order =
            json!({"do": "faults", "probability": probability, "kinds": kinds, "seed": seed});
        self.order(&order).await;
    }

    /// How long it thinks before it accepts a mail.
    pub(crate) async fn slow(&mut self, seconds: f64) {
        self.order(&json!({"do": "slow", "seconds": seconds})).await;
    }

    async fn order(&mut self, order: &Value) {
        self.script.tell(order);
        self.script.next_of("done").await;
    }

    /// All so far, in the order in which they were accepted.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.events("mail").into_iter().map(Mail).collect()
    }

    /// How often it has misbehaved.
    pub(crate) fn faults_so_far(&self) -> usize {
        self.events("fault").len()
    }

    fn events(&self, event: &str) -> Vec<Value> {
        let output = self.script.process().stdout();
        let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).collect()
    }

    /// Waits until there are as many to different recipients.
    pub(crate) async fn recipients_become(&self, expected: usize, patience: Duration) -> Vec<Mail> {
        until(&format!("{expected} recipients have a mail"), patience, async || {
            let mails = self.mails();
            let mut to: Vec<String> = mails.iter().map(Mail::to).collect();
            to.sort_unstable();
            to.dedup();
            (to.len() >= expected).then_some(mails)
        })
        .await
    }
}

impl Mail {
    /// The only recipient.
    pub(crate) fn to(&self) -> String {
        let to = self.0["to"].as_array().unwrap();
        assert_eq!(to.len(), 1, "{to:?}");
        to[0].as_str().unwrap().to_owned()
    }

    /// Decoded; panics unless there is exactly one.
    pub(crate) fn header(&self, name: &str) -> String {
        let found = self.headers(name);
        assert_eq!(found.len(), 1, "{name}: {found:?}\n{}", self.text("raw"));
        found[0].clone()
    }

    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        let headers = self.0["headers"].as_array().unwrap().iter();
        let named = headers.filter(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name));
        named.map(|header| header[1].as_str().unwrap().to_owned()).collect()
    }

    /// `from`, `plain`, `html` or `raw`.
    pub(crate) fn text(&self, part: &str) -> &str {
        self.0[part].as_str().unwrap_or_default()
    }

    /// `types` or `defects`.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let list = self.0[name].as_array().unwrap().iter();
        list.map(|item| item.as_str().unwrap().to_owned()).collect()
    }
}
