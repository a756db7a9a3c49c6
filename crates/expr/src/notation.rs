//! Notations: the texts that DNS names, e-mail addresses and URIs are written in, and when two of them mean the same.

pub(crate) mod dns;
pub(crate) mod email;
pub(crate) mod uri;
