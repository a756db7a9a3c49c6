//! The configuration in Redis: keys are places, such as `/scopes/global/adapters`, values are texts.
//!
//! Redis is read whole, key by key, so a reading is no more of one moment than that of a folder is; two equal ones are.
//! Where Redis tells of changes of keys it is listened to; it is looked at now and then all the same, since it forgets
//! whom it could not tell. While it is away nothing is known about the configuration, and the one in force stays.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use policy::SourceFile;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo as _, RedisError, cmd};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Hint, InvalidTree, Read};
use crate::{limits, telemetry};

/// What all keys of a configuration begin with.
const PATTERN: &str = "/scopes/*";

/// Sets a key to a text if it still has the one that is expected, or is absent if none is; without a new text, deletes
/// it.
const COMPARE_AND_SET: &str = r"
local now = redis.call('GET', KEYS[1])
if ARGV[1] == 'absent' and now or ARGV[1] == 'text' and now ~= ARGV[2] then return 0 end
if ARGV[3] == 'absent' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[4]) end
return 1
";

/// Where a Redis is, and who we are to it.
#[derive(Clone)]
pub struct RedisAddress {
    client: Client,
    /// Without what must not be seen.
    name: String,
}

/// A Redis with a configuration in it.
pub struct Redis {
    address: RedisAddress,
    /// There while the last call went well.
    connection: Mutex<Option<MultiplexedConnection>>,
    /// Calls that failed since the last one that went well.
    failures: AtomicU32,
}

/// Hears of changes of keys.
pub(in crate::runtime) struct Subscription {
    redis: Arc<Redis>,
    heard: Arc<Notify>,
    listening: Option<Listening>,
}

/// A task that ends when nobody wants to hear any more.
struct Listening(JoinHandle<()>);

// === impl RedisAddress ===

impl FromStr for RedisAddress {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        // The text is not repeated: there may be a password in it.
        let expected = "expected redis://[[USER]:PASSWORD@]HOST:PORT/DB";
        let info = url.into_connection_info().map_err(|error| format!("{expected}: {error}"))?;
        let name = format!("redis://{}/{}", info.addr(), info.redis_settings().db());
        let client = Client::open(info).map_err(|error| format!("{expected}: {error}"))?;
        Ok(Self { client, name })
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAddress({self})")
    }
}

impl PartialEq for RedisAddress {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for RedisAddress {}

// === impl Redis ===

impl Redis {
    pub(super) fn new(address: RedisAddress) -> Self {
        Self { address, connection: Mutex::default(), failures: AtomicU32::new(0) }
    }

    /// Every key of a configuration with its text, in the order of the keys.
    pub(super) async fn read(&self) -> Read {
        self.within(async |connection| {
            let keys = self.keys(connection).await?;
            let texts = stream::iter(keys).map(|key| self.text(connection.clone(), key));
            let texts = texts.buffered(limits::STORE_CALLS);
            let mut bytes = 0;
            let files = texts.map(|file| {
                let file = file?;
                bytes += file.text.len() as u64;
                if bytes > limits::CONFIG_BYTES {
                    return Err(self.too_much("more bytes in all keys", limits::CONFIG_BYTES));
                }
                Ok(file)
            });
            let files: Vec<_> = files.try_collect().await?;
            if files.is_empty() {
                return Err(InvalidTree::NoKeys { store: self.address.to_string(), pattern: PATTERN });
            }
            Ok(files)
        })
        .await
    }

    /// Gives a key another text, or none, if it still has the one that is expected. Says whether it had.
    pub(super) async fn replace(
        &self,
        key: &str,
        expected: Option<&str>,
        text: Option<&str>,
    ) -> Result<bool, InvalidTree> {
        let is_there = |text: Option<&str>| if text.is_some() { "text" } else { "absent" };
        let mut call = cmd("EVAL");
        call.arg(COMPARE_AND_SET).arg(1).arg(key);
        call.arg(is_there(expected)).arg(expected.unwrap_or_default());
        call.arg(is_there(text)).arg(text.unwrap_or_default());
        self.within(async |connection| {
            call.query_async(connection).await.map_err(|error| self.failed(Some(key), error))
        })
        .await
    }

    async fn keys(&self, connection: &mut MultiplexedConnection) -> Result<BTreeSet<String>, InvalidTree> {
        let mut keys = BTreeSet::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(PATTERN).arg("COUNT").arg(limits::STORE_SCAN);
            let scanned = scan.query_async::<(u64, Vec<Vec<u8>>)>(connection).await;
            let (next, found) = scanned.map_err(|error| self.failed(None, error))?;
            for key in found {
                keys.insert(
                    String::from_utf8(key)
                        .map_err(|error| not_text(&String::from_utf8_lossy(error.as_bytes())))?,
                );
            }
            if keys.len() > limits::CONFIG_FILES {
                return Err(self.too_much("more keys", limits::CONFIG_FILES as u64));
            }
            if next == 0 {
                return Ok(keys);
            }
            cursor = next;
        }
    }

    async fn text(
        &self,
        mut connection: MultiplexedConnection,
        key: String,
    ) -> Result<SourceFile, InvalidTree> {
        // One byte more than allowed tells a text that is too large.
        let mut get = cmd("GETRANGE");
        get.arg(&key).arg(0).arg(limits::CONFIG_FILE_BYTES);
        let bytes: Vec<u8> =
            get.query_async(&mut connection).await.map_err(|error| self.failed(Some(&key), error))?;
        if bytes.len() as u64 > limits::CONFIG_FILE_BYTES {
            let path = PathBuf::from(key);
            let what = "more bytes".to_owned();
            return Err(InvalidTree::TooMuch { path, what, max: limits::CONFIG_FILE_BYTES });
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(SourceFile { path: key, text }),
            Err(_) => Err(not_text(&key)),
        }
    }

    /// Makes calls on the one connection, which is made anew if the last ones failed, within a bound of time.
    async fn within<T>(
        &self,
        calls: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, InvalidTree>,
    ) -> Result<T, InvalidTree> {
        let mut kept = self.connection.lock().await;
        let mut connection = kept.take();
        let called = timeout(limits::STORE_CALL, async {
            let connection = match &mut connection {
                Some(connection) => connection,
                none => none.insert(self.connect().await?),
            };
            calls(connection).await
        });
        let called = called.await.unwrap_or_else(|_| {
            Err(InvalidTree::Late { store: self.address.to_string(), after: limits::STORE_CALL })
        });
        let is_away = matches!(called, Err(InvalidTree::Redis { .. } | InvalidTree::Late { .. }));
        if is_away {
            self.failures.fetch_add(1, Ordering::Relaxed);
        } else {
            self.failures.store(0, Ordering::Relaxed);
            *kept = connection;
        }
        called
    }

    async fn connect(&self) -> Result<MultiplexedConnection, InvalidTree> {
        // The bound on all calls together is the one that holds.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limits::STORE_CALL))
            .set_response_timeout(Some(limits::STORE_CALL));
        let connection = self.address.client.get_multiplexed_async_connection_with_config(&config).await;
        connection.map_err(|error| self.failed(None, error))
    }

    /// When it should be looked at again though nothing was heard of it.
    fn pause(&self) -> Duration {
        match self.failures.load(Ordering::Relaxed) {
            0 => limits::STORE_POLL,
            failures => {
                let doublings = failures.min(16) - 1;
                (limits::STORE_RETRY * 2_u32.pow(doublings)).min(limits::STORE_POLL)
            }
        }
    }

    fn failed(&self, key: Option<&str>, source: RedisError) -> InvalidTree {
        let place = format!("{}{}", self.address, key.map(|key| format!(", key {key}")).unwrap_or_default());
        InvalidTree::Redis { place, source: Box::new(source) }
    }

    fn too_much(&self, what: &str, max: u64) -> InvalidTree {
        InvalidTree::TooMuch { path: PathBuf::from(self.address.to_string()), what: what.to_owned(), max }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis({})", self.address)
    }
}

fn not_text(key: &str) -> InvalidTree {
    let source = Error::new(ErrorKind::InvalidData, "it is not UTF-8");
    InvalidTree::Io { path: PathBuf::from(key), source }
}

// === impl Subscription ===

impl Subscription {
    pub(super) fn new(redis: Arc<Redis>) -> Self {
        Self { redis, heard: Arc::default(), listening: None }
    }

    /// Waits until Redis should be looked at.
    pub(super) async fn next(&self) -> Hint {
        tokio::select! {
            () = self.heard.notified() => Hint::Changed,
            () = tokio::time::sleep(self.redis.pause()) => Hint::Time,
        }
    }

    pub(super) fn is_armed(&self) -> bool {
        self.listening.as_ref().is_some_and(|listening| !listening.0.is_finished())
    }

    /// Listens, unless it does. That it cannot is for the reading to say.
    pub(super) async fn arm(&mut self) {
        if self.is_armed() {
            return;
        }
        self.listening = match timeout(limits::STORE_CALL, self.listen()).await {
            Ok(Ok(listening)) => {
                let flags = timeout(limits::STORE_CALL, self.flags()).await.ok().and_then(Result::ok);
                say(&self.redis.address, flags.as_deref());
                Some(listening)
            }
            Ok(Err(_)) | Err(_) => None,
        };
    }

    async fn listen(&self) -> Result<Listening, RedisError> {
        let RedisAddress { client, name: _ } = &self.redis.address;
        let mut subscription = client.get_async_pubsub().await?;
        let db = client.get_connection_info().redis_settings().db();
        subscription.psubscribe(format!("__keyspace@{db}__:{PATTERN}")).await?;
        let heard = Arc::clone(&self.heard);
        // In a task of its own, so that what is heard while the configuration is being loaded does not pile up.
        Ok(Listening(tokio::spawn(async move {
            let mut messages = subscription.into_on_message();
            while messages.next().await.is_some() {
                heard.notify_one();
            }
            // Redis is gone, which is worth a look.
            heard.notify_one();
        })))
    }

    /// Of which changes Redis tells, as it writes it.
    async fn flags(&self) -> Result<String, InvalidTree> {
        let mut connection = self.redis.connect().await?;
        let mut get = cmd("CONFIG");
        get.arg("GET").arg("notify-keyspace-events");
        let (_, flags): (String, String) =
            get.query_async(&mut connection).await.map_err(|error| self.redis.failed(None, error))?;
        Ok(flags)
    }
}

/// Says how soon changes will be noticed.
fn say(address: &RedisAddress, flags: Option<&str>) {
    let tells = flags.map(|flags| {
        let has = |flag| flags.contains(flag);
        has('K') && (has('A') || (has('$') && has('g')))
    });
    telemetry::config_listening(&address.to_string(), tells, limits::STORE_POLL);
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let address: RedisAddress = "redis://:secret@localhost:6380/3".parse().unwrap();
        assert_eq!(address.to_string(), "redis://localhost:6380/3");
        assert!(!format!("{address:?}").contains("secret"));
        for wrong in ["redis://:secret@localhost:x/3", "redis://:secret@localhost/x"] {
            let error = wrong.parse::<RedisAddress>().unwrap_err();
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("redis://"), "{error}");
        }
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let redis = Redis::new("redis://localhost".parse().unwrap());
        assert_eq!(redis.pause(), limits::STORE_POLL);
        let mut before = Duration::ZERO;
        for failures in 1..100 {
            redis.failures.store(failures, Ordering::Relaxed);
            let pause = redis.pause();
            assert!(before <= pause && pause <= limits::STORE_POLL);
            before = pause;
        }
        assert_eq!(before, limits::STORE_POLL);
    }
}
