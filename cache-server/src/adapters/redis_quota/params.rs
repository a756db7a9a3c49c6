//! The parameters of `redisQuota`, read strictly.

use std::path::PathBuf;
use std::time::Duration;

use policy::ParamProblem;
use quota::Algorithm;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::super::params::Params;
use super::super::quota_params;
use crate::limits;

/// Where Redis is if nobody says.
const ADDRESS: &str = "localhost:6379";

#[derive(Debug, Clone)]
pub(super) struct RedisParams {
    pub(super) address: ConnectionInfo,
    pub(super) connections: u32,
    pub(super) deduplication: Duration,
    pub(super) algorithm: Algorithm,
    pub(super) deadline: Duration,
    pub(super) when_unavailable: WhenUnavailable,
}

/// What happens to requests that Redis does not answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum WhenUnavailable {
    /// They fail.
    Closed,
    /// They are granted, and not counted.
    Open,
    /// They are counted by this server alone, within a share of the limit.
    Local(Share),
}

/// How much of a limit one server grants by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Share {
    /// More than 0, up to 1.
    Part(f64),
    /// So much, or the limit if that is less.
    Amount(u64),
}

const CLOSED: i64 = 0;
const OPEN: i64 = 1;
const LOCAL: i64 = 2;

const WHEN_UNAVAILABLE: [(&str, i64); 6] = [
    ("closed", CLOSED),
    ("open", OPEN),
    ("local", LOCAL),
    ("CLOSED", CLOSED),
    ("OPEN", OPEN),
    ("LOCAL", LOCAL),
];

const TCP: i64 = 0;
const UNIX: i64 = 1;

const SOCKET_TYPES: [(&str, i64); 4] = [("tcp", TCP), ("unix", UNIX), ("TCP", TCP), ("UNIX", UNIX)];

impl RedisParams {
    /// Reads them.
    pub(super) fn parse(params: &serde_json::Value) -> Result<Self, Vec<ParamProblem>> {
        let mut params = Params::new(params);
        let address = address(&mut params);
        let connections = match params.count("connectionPoolSize") {
            // Mixer took 0 for its default.
            Some(0) | None => limits::REDIS_CONNECTIONS,
            Some(count) => count,
        };
        if connections > limits::REDIS_CONNECTIONS_MAX {
            let message = format!("at most {} are allowed", limits::REDIS_CONNECTIONS_MAX);
            params.problem("connectionPoolSize", message);
        }
        let deduplication = quota_params::deduplication(&mut params);
        let algorithm = quota_params::algorithm(&mut params, Algorithm::FixedWindow);
        let deadline = params.duration("deadline").unwrap_or(limits::REDIS_DEADLINE);
        if deadline.is_zero() || deadline > limits::REDIS_DEADLINE_MAX {
            params.problem(
                "deadline",
                format!("must be more than 0 and at most {:?}", limits::REDIS_DEADLINE_MAX),
            );
        }
        let when_unavailable = when_unavailable(&mut params);
        match address {
            Ok(address) => {
                let read =
                    Self { address, connections, deduplication, algorithm, deadline, when_unavailable };
                params.finish(read)
            }
            Err(message) => {
                params.problem("redisServerUrl", message);
                Err(params.into_problems())
            }
        }
    }
}

/// Where Redis is. What is wrong is said without repeating it, since it may hold a password.
fn address(params: &mut Params<'_>) -> Result<ConnectionInfo, String> {
    let given = params.text("redisServerUrl").unwrap_or(ADDRESS);
    let socket = params.choice("socketType", &SOCKET_TYPES).unwrap_or(TCP);
    if given.is_empty() {
        return Err("must not be empty".to_owned());
    }
    let info = if given.contains("://") {
        given.into_connection_info()
    } else if socket == UNIX {
        ConnectionAddr::Unix(PathBuf::from(given)).into_connection_info()
    } else {
        let port = given.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none_or(|port| port == 0) {
            return Err("expected host:port or redis://host:port".to_owned());
        }
        format!("redis://{given}").into_connection_info()
    };
    let info = info.map_err(|_| "expected host:port or redis://[user[:password]@]host[:port][/database]")?;
    match info.addr() {
        ConnectionAddr::Tcp(..) if socket == UNIX => {
            Err("is not the path of a socket, as `socketType: unix` says".to_owned())
        }
        ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) => Ok(info),
        ConnectionAddr::TcpTls { .. } => {
            Err("is reached by TLS, which is not served; put a proxy with TLS between".to_owned())
        }
        // The library may come to know more ways.
        _ => Err("is reached in a way that is not served".to_owned()),
    }
}

fn when_unavailable(params: &mut Params<'_>) -> WhenUnavailable {
    let chosen = params.choice("whenUnavailable", &WHEN_UNAVAILABLE).unwrap_or(CLOSED);
    let part = params.value("localShare").map(serde_json::Value::as_f64);
    if part.is_some_and(|part| part.is_none_or(|part| part.is_nan() || part <= 0.0 || part > 1.0)) {
        params.problem("localShare", "expected a number that is more than 0 and at most 1");
    }
    let amount = params.value("localAmount").map(serde_json::Value::as_u64);
    if amount == Some(None) {
        params.problem("localAmount", "expected a whole number from 0");
    }
    match (chosen, part, amount) {
        (LOCAL, Some(_), Some(_)) => params.problem("localAmount", "give this or `localShare`, not both"),
        (LOCAL, None, None) => {
            params.problem("whenUnavailable", "`local` takes `localShare` or `localAmount`");
        }
        (LOCAL, ..) | (_, None, None) => {}
        (_, Some(_), _) => params.problem("localShare", "means something with `whenUnavailable: local` only"),
        (_, None, Some(_)) => {
            params.problem("localAmount", "means something with `whenUnavailable: local` only");
        }
    }
    match (chosen, part.flatten(), amount.flatten()) {
        (OPEN, ..) => WhenUnavailable::Open,
        (LOCAL, Some(part), _) => WhenUnavailable::Local(Share::Part(part)),
        (LOCAL, None, amount) => WhenUnavailable::Local(Share::Amount(amount.unwrap_or(0))),
        (..) => WhenUnavailable::Closed,
    }
}

impl Share {
    /// The share of a limit, rounded down.
    pub(super) fn of(self, max: u64) -> u64 {
        match self {
            Self::Part(part) => ((max as f64 * part).floor() as u64).min(max),
            Self::Amount(amount) => amount.min(max),
        }
    }
}
