//! A running server's admin pages, asked from the command line.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Instant;

use thiserror::Error;

use crate::limits;

/// A page did not answer as it should.
#[derive(Debug, Error)]
pub(super) enum InvalidAnswer {
    /// The address, the connection or the time.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The name stands for no address.
    #[error("there is no such address")]
    NoAddress,
    /// What came is not HTTP.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// What comes has no end.
    #[error("the answer is longer than {} bytes", limits::ADMIN_ANSWER_BYTES)]
    TooLong,
    /// The page says no.
    #[error("HTTP status {status}: {}", body.trim_end())]
    Status {
        /// The status.
        status: u16,
        /// The page.
        body: String,
    },
}

/// Asks for a page and gives its body.
pub(super) fn request(address: &str, method: &str, path: &str) -> Result<String, InvalidAnswer> {
    let mut stream = connect(address)?;
    let begin = Instant::now();
    stream.set_write_timeout(Some(limits::ADMIN_CALL))?;
    // The version that neither keeps connections nor sends in chunks.
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let left = limits::ADMIN_CALL.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
        }
        if answer.len() > limits::ADMIN_ANSWER_BYTES {
            return Err(InvalidAnswer::TooLong);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk)? {
            0 => break,
            count => answer.extend_from_slice(&chunk[..count]),
        }
    }
    parse(&String::from_utf8_lossy(&answer))
}

fn connect(address: &str) -> Result<TcpStream, InvalidAnswer> {
    let mut last = InvalidAnswer::NoAddress;
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limits::ADMIN_CALL) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn parse(answer: &str) -> Result<String, InvalidAnswer> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(InvalidAnswer::NotHttp)?;
    let (version, rest) = head.split_once(' ').ok_or(InvalidAnswer::NotHttp)?;
    let status = rest.get(..3).and_then(|status| status.parse().ok());
    match status {
        Some(status) if version.starts_with("HTTP/") => match status {
            200..300 => Ok(body.to_owned()),
            _ => Err(InvalidAnswer::Status { status, body: body.to_owned() }),
        },
        _ => Err(InvalidAnswer::NotHttp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_answers_apart() {
        assert_eq!(parse("HTTP/1.0 200 OK\r\na: b\r\n\r\n{}\n").unwrap(), "{}\n");
        let refused = parse("HTTP/1.1 403 Forbidden\r\n\r\nno\n").unwrap_err();
        assert_eq!(refused.to_string(), "HTTP status 403: no");
        for answer in ["", "HTTP/1.0 200 OK", "SSH-2.0 200\r\n\r\n", "HTTP/1.0 x\r\n\r\n", "HTTP/1.0\r\n\r\n"]
        {
            assert!(matches!(parse(answer), Err(InvalidAnswer::NotHttp)), "{answer}");
        }
    }
}
