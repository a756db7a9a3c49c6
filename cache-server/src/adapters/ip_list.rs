//! `ipListChecker`: whether an address lies in one of the list's networks.
//!
//! IPv4 addresses that are written as IPv6 ones are IPv4 addresses, in the list and in the request alike.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use attributes::Value;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use policy::{AdapterInfo, AspectKind, HandlerConfig, ParamProblem};
use prefix_trie::PrefixSet;

use super::list_source::{Entries, ListParams, ListSource};
use super::{Handler, HandlerError, InvalidHandler, Membership, Surroundings};
use crate::text;

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "ipListChecker",
    kinds: &[AspectKind::Lists],
    description: "looks an address up in a list of addresses and networks, inline or from a file",
    validate,
    outputs: policy::no_outputs,
};

struct IpListChecker(Arc<ListSource<Networks>>);

#[derive(Default)]
struct Networks {
    v4: PrefixSet<Ipv4Net>,
    v6: PrefixSet<Ipv6Net>,
}

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    let params = ListParams::parse(params)?;
    let wrong = params.inline.iter().enumerate().filter_map(|(index, text)| {
        let message = network(text).err()?;
        Some(ParamProblem { path: format!("entries[{index}]"), message })
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let params = super::parsed(config, ListParams::parse(&config.params))?;
    let source =
        ListSource::new(config, params, surroundings).map_err(|reason| super::invalid(config, reason))?;
    Ok(Arc::new(IpListChecker(Arc::new(source))))
}

/// Reads an address or a network. An address is the network of itself alone, in either family.
fn network(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| {
            format!("`{}` is neither an address nor a network such as 10.0.0.0/8", text::quoted(text))
        })?,
    };
    // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
    if let IpNet::V6(v6) = net
        && let Some(v4) = v6.addr().to_ipv4_mapped()
        && let Some(length) = v6.prefix_len().checked_sub(96)
        && let Ok(net) = Ipv4Net::new(v4, length)
    {
        return Ok(IpNet::V4(net).trunc());
    }
    Ok(net.trunc())
}

impl Entries for Networks {
    fn read<'t>(texts: impl Iterator<Item = &'t str>) -> Result<Self, String> {
        let mut networks = Self::default();
        for text in texts {
            match network(text)? {
                IpNet::V4(net) => networks.v4.insert(net),
                IpNet::V6(net) => networks.v6.insert(net),
            };
        }
        Ok(networks)
    }

    fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

impl Networks {
    fn contain(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.get_lpm(&Ipv4Net::from(v4)).is_some(),
            IpAddr::V6(v6) => self.v6.get_lpm(&Ipv6Net::from(v6)).is_some(),
        }
    }
}

#[async_trait]
impl Handler for IpListChecker {
    async fn contains(&self, value: &Value) -> Result<Membership, HandlerError> {
        let address = match value {
            Value::String(text) => text.parse().ok(),
            other => other.to_ip(),
        };
        let address = address.ok_or_else(|| {
            HandlerError::InvalidArgument(format!(
                "`{}` is not an IP address",
                text::quoted(&value.to_string())
            ))
        })?;
        let found = self.0.entries()?.contain(address);
        Ok(Membership { found, validity: self.0.validity() })
    }

    fn in_force(&self) {
        self.0.watch();
    }
}
