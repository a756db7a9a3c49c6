//! The full name of a service.

use std::net::IpAddr;

use thiserror::Error;

/// A text does not name a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(in crate::adapters) enum InvalidService {
    #[error("the name of a service must not be empty")]
    Empty,
    #[error("the name of a service must not begin with `:`")]
    OnlyPort,
    #[error("an address is not the name of a service")]
    Address,
    #[error("the name of a service must not have empty parts")]
    EmptyPart,
}

/// The name of a service with its namespace and the cluster's domain, both added where the name does not have them: of
/// a name with three parts or more, so many parts of the domain are taken to be there as stand behind its second part.
/// A port is cut off. Names of services are the same in capitals and in small letters; what comes out is small.
pub(in crate::adapters) fn canonical(
    service: &str,
    namespace: &str,
    domain: &str,
) -> Result<String, InvalidService> {
    if service.is_empty() {
        return Err(InvalidService::Empty);
    }
    if service.parse::<IpAddr>().is_ok() || service.starts_with('[') {
        return Err(InvalidService::Address);
    }
    let name = service.split(':').next().unwrap_or_default();
    if name.is_empty() {
        return Err(InvalidService::OnlyPort);
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err(InvalidService::Address);
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let mut parts: Vec<&str> = name.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(InvalidService::EmptyPart);
    }
    if parts.len() == 1 {
        parts.push(namespace);
    }
    let of_domain = parts.len() - 2;
    parts.extend(domain.split('.').skip(of_domain));
    Ok(parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_what_they_lack() {
        for (service, full) in [
            ("reviews", "reviews.ns.svc.cluster.local"),
            ("reviews:9080", "reviews.ns.svc.cluster.local"),
            ("reviews.default", "reviews.default.svc.cluster.local"),
            ("reviews.default:http", "reviews.default.svc.cluster.local"),
            ("reviews.default.svc", "reviews.default.svc.cluster.local"),
            ("reviews.default.svc.cluster", "reviews.default.svc.cluster.local"),
            ("reviews.default.svc.cluster.local", "reviews.default.svc.cluster.local"),
            ("reviews.default.svc.cluster.local:80", "reviews.default.svc.cluster.local"),
            ("a.b.c.d.e.f", "a.b.c.d.e.f"),
            ("Reviews.Default", "reviews.default.svc.cluster.local"),
            ("reviews.default.", "reviews.default.svc.cluster.local"),
        ] {
            assert_eq!(canonical(service, "ns", "svc.cluster.local").as_deref(), Ok(full), "{service}");
        }
        assert_eq!(canonical("a.b.one", "ns", "one.two.three").as_deref(), Ok("a.b.one.two.three"));
    }

    #[test]
    fn what_is_no_name() {
        for (service, error) in [
            ("", InvalidService::Empty),
            (":80", InvalidService::OnlyPort),
            ("10.0.0.1", InvalidService::Address),
            ("10.0.0.1:80", InvalidService::Address),
            ("::1", InvalidService::Address),
            ("[::1]:80", InvalidService::Address),
            ("a..b", InvalidService::EmptyPart),
            (".", InvalidService::EmptyPart),
        ] {
            assert_eq!(canonical(service, "ns", "svc.cluster.local"), Err(error), "{service}");
        }
    }
}
