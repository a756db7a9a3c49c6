//! Traffic: many requests over connections that stay open, as fast as they are answered or at an even rate.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::wait::PATIENCE;

/// What is sent to where.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Whom to ask.
    pub address: SocketAddr,
    /// For which path.
    pub path: &'static str,
    /// Over how many connections, each with one request at a time. Envoy spreads them over its workers.
    pub connections: u32,
    /// How many requests, all together.
    pub requests: u32,
    /// For how long, evenly; as fast as they are answered if zero.
    pub duration: Duration,
}

/// How many answers had which status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<u16, u32>);

impl Load {
    /// Sends all of it.
    ///
    /// # Errors
    /// When a request gets no answer.
    pub async fn run(self) -> Result<Tally> {
        let start = Instant::now();
        let mut senders: JoinSet<Result<Tally>> =
            (0..self.connections).map(|index| self.send(index, start)).collect();
        let mut tally = Tally::default();
        while let Some(sent) = senders.join_next().await {
            for (status, count) in sent??.0 {
                *tally.0.entry(status).or_default() += count;
            }
        }
        Ok(tally)
    }

    /// Every so many-th request, over a connection of its own. What is late is caught up with.
    async fn send(self, index: u32, start: Instant) -> Result<Tally> {
        let mut sender = self.connect().await?;
        let mut tally = Tally::default();
        for number in (index..self.requests).step_by(self.connections as usize) {
            if !self.duration.is_zero() {
                sleep_until(start + self.duration * number / self.requests).await;
            }
            if sender.ready().await.is_err() {
                sender = self.connect().await?;
            }
            let request = Request::get(self.path)
                .header("host", "productpage")
                .header("user-agent", "tests")
                .body(Full::default())?;
            let exchange = async {
                let answer = sender.send_request(request).await?;
                let status = answer.status().as_u16();
                answer.into_body().collect().await?;
                anyhow::Ok(status)
            };
            let status = timeout(PATIENCE, exchange).await.context("no answer in time")??;
            *tally.0.entry(status).or_default() += 1;
        }
        Ok(tally)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

impl Tally {
    /// How many answers had this status.
    pub fn of(&self, status: u16) -> u32 {
        self.0.get(&status).copied().unwrap_or_default()
    }

    /// How many answers there were.
    pub fn all(&self) -> u32 {
        self.0.values().sum()
    }
}
