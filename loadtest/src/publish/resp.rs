//! As much of RESP2 as publishing and subscribing need.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::target::RedisAddress;

/// One token of a reply; an array is its length, its elements follow.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Array(usize),
    Bulk(&'a [u8]),
    Int(i64),
    Simple(&'a [u8]),
    Error(&'a [u8]),
}

/// The first token and the bytes it took; `None` while it is incomplete.
pub(super) fn token(bytes: &[u8]) -> Result<Option<(Token<'_>, usize)>> {
    let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") else {
        return Ok(None);
    };
    let (line, used) = (&bytes[1.min(end)..end], end + 2);
    let number = || -> Result<i64> { Ok(std::str::from_utf8(line)?.parse()?) };
    let token = match bytes[0] {
        b'+' => Token::Simple(line),
        b'-' => Token::Error(line),
        b':' => Token::Int(number()?),
        b'*' => Token::Array(usize::try_from(number()?)?),
        b'$' => {
            let length = usize::try_from(number()?)?;
            return Ok(bytes
                .get(used..used + length + 2)
                .map(|bulk| (Token::Bulk(&bulk[..length]), used + length + 2)));
        }
        other => bail!("not RESP: {other:#x}"),
    };
    Ok(Some((token, used)))
}

/// Appends a command to `out`.
pub(super) fn command<'a>(out: &mut Vec<u8>, words: impl ExactSizeIterator<Item = &'a [u8]>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Connects, authenticates when the address has credentials, and checks the connection with PING.
pub(crate) fn connect(redis: &RedisAddress) -> Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&redis.address, Duration::from_secs(5))
        .with_context(|| format!("cannot connect to Redis at {}", redis.address))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut hello = Vec::new();
    if let Some(password) = &redis.password {
        let user = redis.user.as_ref();
        let words = [Some("AUTH"), user.map(String::as_str), Some(password)];
        let words: Vec<&[u8]> = words.into_iter().flatten().map(str::as_bytes).collect();
        command(&mut hello, words.into_iter());
    }
    command(&mut hello, [b"PING".as_slice()].into_iter());
    stream.write_all(&hello)?;
    let mut reply = Vec::new();
    let mut chunk = [0; 512];
    loop {
        let mut used = 0;
        while let Some((token, size)) = token(&reply[used..])? {
            used += size;
            match token {
                Token::Error(error) => bail!("Redis says: {}", String::from_utf8_lossy(error)),
                Token::Simple(b"PONG") => return Ok(stream),
                _ => {}
            }
        }
        reply.drain(..used);
        let read = stream.read(&mut chunk).context("no answer from Redis")?;
        ensure!(read > 0, "Redis closed the connection");
        reply.extend_from_slice(&chunk[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_whole_or_not_at_all() {
        let stream = b"$5\r\nhe\r\no\r\n:12\r\n";
        for end in 0..11 {
            assert_eq!(token(&stream[..end]).unwrap(), None, "{end} bytes");
        }
        assert_eq!(token(stream).unwrap(), Some((Token::Bulk(b"he\r\no"), 11)));
        assert_eq!(token(&stream[11..]).unwrap(), Some((Token::Int(12), 5)));
        assert_eq!(token(b"-ERR no\r\n").unwrap(), Some((Token::Error(b"ERR no"), 9)));
        assert_eq!(token(b"*3\r\n").unwrap(), Some((Token::Array(3), 4)));
        assert!(token(b"HTTP/1.1 400\r\n").is_err());
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let mut out = Vec::new();
        command(&mut out, [b"PUBLISH".as_slice(), b"c", b""].into_iter());
        assert_eq!(out, b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$0\r\n\r\n");
    }
}
