//! A connection to Redis that asks and waits: what Redis has used, and filling logs.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail, ensure};

use super::resp::{Token, command, connect, token};
use super::template::Template;
use crate::target::RedisAddress;

/// Publishes sent before their answers are read.
const BATCH: u64 = 256;

/// Asks one thing at a time, each answered within 5 s.
pub(crate) struct Console {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// What Redis says of itself in `INFO`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RedisUsage {
    /// User and system time of the whole process.
    pub(crate) cpu_seconds: f64,
    /// Bytes allocated for data and connections.
    pub(crate) used_memory: u64,
}

impl Console {
    pub(crate) fn open(redis: &RedisAddress) -> Result<Self> {
        Ok(Self { stream: connect(redis)?, unread: Vec::new() })
    }

    pub(crate) fn usage(&mut self) -> Result<RedisUsage> {
        let mut out = Vec::new();
        for section in ["cpu", "memory"] {
            command(&mut out, [b"INFO".as_slice(), section.as_bytes()].into_iter());
        }
        self.stream.write_all(&out).context("asking Redis")?;
        let (mut text, mut sections) = (String::new(), 0);
        while sections < 2 {
            self.answers(|answer| {
                if let Token::Bulk(section) = answer {
                    text.push_str(&String::from_utf8_lossy(section));
                }
                sections += 1;
            })?;
        }
        usage_of_info(&text).context("Redis does not say in INFO what it has used")
    }

    /// Whether a gateway has registered its function for publishers.
    pub(crate) fn has_function(&mut self, function: &str) -> Result<bool> {
        let mut out = Vec::new();
        let words = [b"FCALL".as_slice(), function.as_bytes(), b"0"];
        command(&mut out, words.into_iter());
        self.stream.write_all(&out).context("asking Redis")?;
        // Without a user the function refuses; that is not what Redis says of one that it does not know.
        match self.answers(|_| {}) {
            Ok(()) => Ok(true),
            Err(error) if error.to_string().contains("INVALID") => Ok(true),
            Err(error) if error.to_string().contains("Function not found") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Publishes messages `from..until` round-robin over the templates.
    pub(crate) fn fill(&mut self, templates: &[Template], from: u64, until: u64) -> Result<()> {
        let start = usize::try_from(from % templates.len() as u64).unwrap_or_default();
        let mut templates = templates.iter().cycle().skip(start);
        let mut out = Vec::new();
        let mut next = from;
        while next < until {
            let batch = BATCH.min(until - next);
            out.clear();
            for (number, template) in (next..next + batch).zip(templates.by_ref()) {
                template.write(&mut out, number, 0);
            }
            self.stream.write_all(&out).context("filling logs")?;
            let mut answered = 0;
            while answered < batch {
                self.answers(|_| answered += 1)?;
            }
            next += batch;
        }
        Ok(())
    }

    /// Reads once and hands over each whole answer; an error is the end.
    fn answers(&mut self, mut on_answer: impl FnMut(Token<'_>)) -> Result<()> {
        let mut chunk = [0; 16 * 1024];
        let read = self.stream.read(&mut chunk).context("no answer from Redis")?;
        ensure!(read > 0, "Redis closed the connection");
        self.unread.extend_from_slice(&chunk[..read]);
        let mut used = 0;
        while let Some((answer, size)) = token(&self.unread[used..])? {
            used += size;
            if let Token::Error(error) = answer {
                let error = String::from_utf8_lossy(error).into_owned();
                self.unread.clear();
                bail!("Redis says: {error}");
            }
            on_answer(answer);
        }
        self.unread.drain(..used);
        Ok(())
    }
}

fn usage_of_info(info: &str) -> Option<RedisUsage> {
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim)
    };
    let seconds = |name| field(name)?.parse::<f64>().ok();
    Some(RedisUsage {
        cpu_seconds: seconds("used_cpu_user")? + seconds("used_cpu_sys")?,
        used_memory: field("used_memory")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_gives_cpu_and_memory() {
        let info = "# CPU\r\nused_cpu_sys:1.250000\r\nused_cpu_user:2.500000\r\n\
                    used_cpu_sys_children:9\r\n\r\n# Memory\r\nused_memory_human:1M\r\n\
                    used_memory:1048576\r\nused_memory_rss:9\r\n";
        let usage = RedisUsage { cpu_seconds: 3.75, used_memory: 1_048_576 };
        assert_eq!(usage_of_info(info), Some(usage));
        assert_eq!(usage_of_info("# CPU\r\n"), None);
    }
}
