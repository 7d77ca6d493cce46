//! Handing a mail over (RFC 5321), with a deadline for every answer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::time::{Instant, timeout};

use super::grip::Grip;
use super::letter::Letter;
use crate::config::{MailSender, SmtpServer, SmtpTls};

/// A connection is kept for the next mail for so long.
const IDLE: Duration = Duration::from_secs(3);
/// Mails by one connection; some servers want no more.
const BY_ONE: u32 = 100;
/// How long the server may take to say goodbye, for which nobody waits.
const GOODBYE: Duration = Duration::from_secs(1);
/// The answer to a whole message takes longer, for it may be looked through first. RFC 5321 §4.5.3.2.6 would
/// have ten minutes.
const WHOLE: u32 = 4;

/// Why a mail was not handed over, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) blame: Blame,
    /// The reply code, if there was a reply.
    pub(super) code: Option<u16>,
    /// For people; may repeat the recipient.
    pub(super) text: String,
    /// Nothing but MAIL was said by then.
    before_rcpt: bool,
}

/// Whether to try again, and whether others should wait too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// No mail can be handed over at the moment.
    Server,
    /// This one cannot be, at the moment; whether it was is uncertain if the answer to the whole is missing.
    Moment,
    /// This one is refused for good.
    Mail,
    /// It is not this process's any more.
    Lost,
}

/// Where mail is handed over.
pub(super) struct Post {
    server: SmtpServer,
    hello: ClientId,
    answer: Duration,
    idle: Mutex<Vec<Line>>,
}

/// One connection, ready for a mail.
struct Line {
    smtp: AsyncSmtpConnection,
    used: Instant,
    mails: u32,
}

impl Post {
    pub(super) fn new(sender: &MailSender) -> Self {
        let hello = sender.server.hello.clone();
        let hello = hello.unwrap_or_else(|| sender.from.email.domain().to_owned());
        Self {
            server: sender.server.clone(),
            hello: ClientId::Domain(hello),
            answer: sender.timeout,
            idle: Mutex::default(),
        }
    }

    /// As far as it goes without a mail.
    pub(super) async fn probe(&self) -> Result<String, String> {
        let line = self.open().await.map_err(|failure| failure.text)?;
        let how = if line.smtp.is_encrypted() { "encrypted" } else { "not encrypted" };
        let login = if self.server.login.is_some() { ", the login is accepted" } else { "" };
        farewell(line);
        Ok(format!("{} answers, {how}{login}", self.server))
    }

    /// Hands over one mail. `Ok` once the server has answered for it.
    pub(super) async fn send(&self, letter: &Letter, grip: &Grip) -> Result<(), Failure> {
        if let Some(mut line) = self.take_idle() {
            match self.hand_over(&mut line, letter, grip).await {
                // The server has hung up meanwhile, as it may; it knows nothing of this mail.
                Err(failure) if failure.before_rcpt && matches!(failure.code, None | Some(421)) => {
                }
                result => return self.after(line, result),
            }
        }
        let mut line = self.open().await?;
        let result = self.hand_over(&mut line, letter, grip).await;
        self.after(line, result)
    }

    /// Closes what was not needed for a while.
    pub(super) fn tidy(&self) {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (keep, close) = idle.drain(..).partition(|line| now < line.used + IDLE);
        *idle = keep;
        close.into_iter().for_each(farewell);
    }

    fn take_idle(&self) -> Option<Line> {
        self.tidy();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn after(&self, mut line: Line, result: Result<(), Failure>) -> Result<(), Failure> {
        line.mails += 1;
        line.used = Instant::now();
        match &result {
            Ok(()) if line.mails < BY_ONE => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
            // Without an answer there is nobody to say goodbye to.
            Err(failure) if failure.code.is_none() => {}
            _ => farewell(line),
        }
        result
    }

    async fn open(&self) -> Result<Line, Failure> {
        let no = |error: &dyn std::fmt::Display, code| Failure {
            blame: Blame::Server,
            code,
            text: format!("{}: {error}", self.server),
            before_rcpt: true,
        };
        let failed =
            |error: lettre::transport::smtp::Error| no(&error, error.status().map(u16::from));
        let tls = || TlsParameters::new(self.server.host.clone());
        let opened = async {
            let at_once = match self.server.tls {
                SmtpTls::Wrapped => Some(tls()?),
                _ => None,
            };
            let address = (self.server.host.as_str(), self.server.port);
            // One address that swallows everything must not take the time of the others.
            let each = Some(self.answer / 3);
            let connecting =
                AsyncSmtpConnection::connect_tokio1(address, each, &self.hello, at_once, None);
            let mut smtp = connecting.await?;
            let starts = match self.server.tls {
                SmtpTls::Required => true,
                SmtpTls::Opportunistic => smtp.can_starttls(),
                SmtpTls::None | SmtpTls::Wrapped => false,
            };
            if starts {
                smtp.starttls(tls()?, &self.hello).await?;
            }
            if let Some((user, password)) = &self.server.login {
                let credentials = Credentials::new(user.clone(), password.clone());
                smtp.auth(DEFAULT_MECHANISMS, &credentials).await?;
            }
            Ok(Line { smtp, used: Instant::now(), mails: 0 })
        };
        let late = format!("no connection within {:?}", self.answer);
        timeout(self.answer, opened).await.map_err(|_elapsed| no(&late, None))?.map_err(failed)
    }

    async fn hand_over(
        &self,
        line: &mut Line,
        letter: &Letter,
        grip: &Grip,
    ) -> Result<(), Failure> {
        let smtp = &mut line.smtp;
        let parameters = parameters(smtp, letter)?;
        let mail = Mail::new(Some(letter.from.clone()), parameters);
        let answered = self.answered(self.answer, smtp.command(mail)).await;
        answered.map_err(|failure| Failure { before_rcpt: true, ..failure })?;
        self.answered(self.answer, smtp.command(Rcpt::new(letter.to.clone(), vec![]))).await?;
        if !grip.holds() {
            return Err(Failure::lost());
        }
        self.answered(self.answer, smtp.command(Data)).await?;
        if !grip.holds() {
            return Err(Failure::lost());
        }
        self.answered(self.answer * WHOLE, smtp.message(&letter.bytes)).await
    }

    async fn answered<T>(
        &self,
        patience: Duration,
        asked: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<(), Failure> {
        let failure = |blame, code, text| Failure { blame, code, text, before_rcpt: false };
        match timeout(patience, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let code = error.status().map(u16::from);
                Err(failure(blame(code, error.is_client()), code, error.to_string()))
            }
            Err(_elapsed) => {
                Err(failure(Blame::Moment, None, format!("no answer within {patience:?}")))
            }
        }
    }
}

/// 5xx is about this mail, unless it is about who we are.
fn blame(code: Option<u16>, is_client: bool) -> Blame {
    match code {
        // Authentication is wanted (RFC 4954 §6), or the server takes no mail at all (RFC 7504).
        Some(521 | 530 | 535 | 538) => Blame::Server,
        Some(500..) => Blame::Mail,
        None if is_client => Blame::Mail,
        _ => Blame::Moment,
    }
}

impl Failure {
    /// Somebody else may be at it by now.
    pub(super) fn lost() -> Self {
        let text = "it was held for too long".to_owned();
        Self { blame: Blame::Lost, code: None, text, before_rcpt: false }
    }
}

fn parameters(smtp: &AsyncSmtpConnection, letter: &Letter) -> Result<Vec<MailParameter>, Failure> {
    let mut parameters = Vec::new();
    let needs = [
        (
            [&letter.from, &letter.to].iter().any(|address| !address.to_string().is_ascii()),
            Extension::SmtpUtfEight,
            MailParameter::SmtpUtfEight,
            "the address is not ASCII, and the mail server does not take such (SMTPUTF8)",
        ),
        (
            !letter.bytes.is_ascii(),
            Extension::EightBitMime,
            MailParameter::Body(MailBodyParameter::EightBitMime),
            "the mail is not ASCII, and the mail server does not take such (8BITMIME)",
        ),
    ];
    for (needed, extension, parameter, without) in needs {
        if !needed {
            continue;
        }
        if !smtp.server_info().supports_feature(extension) {
            let text = without.to_owned();
            return Err(Failure { blame: Blame::Mail, code: None, text, before_rcpt: false });
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

/// QUIT, behind everyone's back.
fn farewell(mut line: Line) {
    tokio::spawn(async move { timeout(GOODBYE, line.smtp.quit()).await.ok() });
}
