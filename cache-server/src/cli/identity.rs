//! The flags that say which subject a request is for.

use clap::Args;

/// How requests are resolved, as flags.
#[derive(Debug, Args)]
pub(super) struct Identity {
    /// The attribute whose value says which subject's rules a request is under.
    #[arg(long, value_name = "NAME", default_value_t = policy::Options::default().identity_attribute)]
    identity_attribute: String,

    /// The domain that the values of that attribute end with; others are under the global rules alone.
    #[arg(long, value_name = "DOMAIN", default_value_t = policy::Options::default().identity_domain)]
    identity_domain: String,
}

impl From<Identity> for policy::Options {
    fn from(identity: Identity) -> Self {
        Self {
            identity_attribute: identity.identity_attribute,
            identity_domain: identity.identity_domain,
            ..Self::default()
        }
    }
}
