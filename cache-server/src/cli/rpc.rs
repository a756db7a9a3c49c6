//! Calls of a running server: where it is, what is sent, and what becomes of an answer that is none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use attributes::wire::Compressor;
use attributes::{Bag, Dictionary, ValueType};
use clap::Args;
use proto::v1::CompressedAttributes;
use proto::v1::mixer_client::MixerClient;
use tonic::transport::{Channel, Endpoint};

use super::attributes::Attributes;
use crate::runtime::read_tree;
use crate::{DEFAULT_DESCRIPTORS, adapters, limits, text};

/// Whom to call, how often, and with what.
#[derive(Debug, Args)]
pub(super) struct Call {
    /// The server, over gRPC without TLS.
    #[arg(short = 'm', long, alias = "mixer", value_name = "ADDR", default_value = "127.0.0.1:9091")]
    server: String,

    /// How many times to call.
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) repeat: u32,

    /// The configuration whose manifests say the types of attributes given with -a. [default: the built-in vocabulary]
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,

    /// Prints the attributes as they are sent, with their types.
    #[arg(short, long)]
    pub(super) verbose: bool,

    #[command(flatten)]
    attributes: Attributes,
}

impl Call {
    /// The attributes that the flags make.
    pub(super) fn bag(&self) -> Result<Bag, String> {
        let vocabulary = vocabulary(self.config.as_deref())?;
        self.attributes.bag(&vocabulary).map_err(|error| error.to_string())
    }

    /// Connects to the server.
    pub(super) async fn connect(&self) -> Result<MixerClient<Channel>, String> {
        let address = &self.server;
        let uri = if address.contains("://") { address.clone() } else { format!("http://{address}") };
        let endpoint = Endpoint::from_shared(uri).map_err(|error| format!("{address}: {error}"))?;
        let endpoint = endpoint.connect_timeout(limits::CLIENT_CALL).timeout(limits::CLIENT_CALL);
        let channel =
            endpoint.connect().await.map_err(|error| format!("{address}: {}", text::chain(&error)))?;
        Ok(MixerClient::new(channel))
    }
}

/// The attributes that there are, with their types: a configuration's, or the built-in ones.
pub(super) fn vocabulary(config: Option<&Path>) -> Result<BTreeMap<String, ValueType>, String> {
    let files = match config {
        Some(config) => read_tree(config).map_err(|error| error.to_string())?,
        None => vec![policy::SourceFile {
            path: "scopes/global/descriptors.yml".to_owned(),
            text: DEFAULT_DESCRIPTORS.to_owned(),
        }],
    };
    let loaded = policy::load(&files, &adapters::infos(), &policy::Options::default());
    let refused = || match config {
        Some(config) => {
            format!("the configuration is refused; `mixer validate {}` says why", config.display())
        }
        None => "the built-in vocabulary is refused".to_owned(),
    };
    Ok(loaded.snapshot.ok_or_else(refused)?.manifest().clone())
}

/// A bag with all of its words beside it: no server can mistake it for another.
pub(super) fn compress(bag: &Bag) -> CompressedAttributes {
    let none = Dictionary::default();
    let mut words = Compressor::new(&none, 0);
    let mut message = words.add(bag);
    message.words = words.into_words();
    message
}

/// An id that no other call has, if the clock goes on.
pub(super) fn unique_id(call: u32) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("mixer-{}-{}-{call}", std::process::id(), now.as_nanos())
}

/// Runs calls to their end.
pub(super) fn block_on<T>(calls: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    threads.map_err(|error| format!("cannot start: {error}"))?.block_on(calls)
}

/// Why a call has no answer.
pub(super) fn failure(call: &str, status: &tonic::Status) -> String {
    let code = checkcache::Code::from_number(status.code() as i32).name();
    format!("{call} failed with {code}: {}", status.message())
}

/// An attribute with its type, as it is sent.
pub(super) fn sent(bag: &Bag) -> Vec<[String; 3]> {
    bag.iter().map(|(name, value)| [name.to_string(), value.kind().to_string(), value.to_string()]).collect()
}
