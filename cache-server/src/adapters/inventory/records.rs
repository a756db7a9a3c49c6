//! The workloads of an inventory as they are written.
//!
//! | field | |
//! |---|---|
//! | `uid` | its identity; without it `namespace` and `name` are |
//! | `ip`, `ips` | its addresses, the first of which is told |
//! | `name`, `namespace`, `labels`, `serviceAccount` | what they say |
//! | `hostIp` | the address of the machine that it runs on |
//! | `service` | the service that it belongs to, in full or as much as its namespace leaves open; else a label says it |

use std::net::IpAddr;
use std::sync::Arc;

use policy::ParamProblem;
use serde_json::Value as Json;

use crate::adapters::params::Params;
use crate::adapters::workloads::{Key, Workload, canonical};
use crate::limits;

/// One workload of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: Key,
    pub(super) workload: Workload,
    /// Its identity, as a message names it.
    pub(super) shown: String,
}

/// Reads a list of workloads; the paths of problems begin with the position in it, such as `[2].ip`.
pub(super) fn read_records(list: &Json, domain: &str) -> Result<Vec<Record>, Vec<ParamProblem>> {
    let problem = |message: String| vec![ParamProblem::of_value("", message)];
    let items = match list {
        // An empty file is an empty list.
        Json::Null => return Ok(Vec::new()),
        Json::Array(items) => items,
        _ => return Err(problem("expected a list of workloads".to_owned())),
    };
    if items.len() > limits::WORKLOADS {
        return Err(problem(format!("{} workloads, at most {} are allowed", items.len(), limits::WORKLOADS)));
    }
    let mut records = Vec::with_capacity(items.len());
    let mut problems = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match read_record(item, domain) {
            Ok(record) => records.push(record),
            Err(wrong) => {
                let item = format!("[{index}]");
                problems.extend(wrong.into_iter().map(|problem| problem.below(&item)));
            }
        }
    }
    if problems.is_empty() { Ok(records) } else { Err(problems) }
}

fn read_record(item: &Json, domain: &str) -> Result<Record, Vec<ParamProblem>> {
    let mut fields = Params::new(item);
    let uid = fields.text("uid").filter(|text| !text.is_empty());
    let name = fields.text("name").filter(|text| !text.is_empty());
    let namespace = fields.text("namespace").filter(|text| !text.is_empty());
    let identity = match (uid, name, namespace) {
        (Some(uid), _, _) => Some((Key::parse(uid), uid.to_owned())),
        (None, Some(name), Some(namespace)) => {
            Some((Key::of(namespace, name), format!("{namespace}/{name}")))
        }
        (None, _, _) => {
            fields.problem("uid", "a workload has to have a `uid`, or a `name` and a `namespace`");
            None
        }
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    let single = fields.text("ip").map(|ip| ("ip".to_owned(), ip.to_owned()));
    let several = fields.texts("ips").unwrap_or_default().into_iter().enumerate();
    let several = several.map(|(index, ip)| (format!("ips[{index}]"), ip));
    for (field, ip) in single.into_iter().chain(several) {
        addresses.extend(address(&mut fields, &field, &ip));
    }
    let host_ip = fields.text("hostIp");
    let host_address = host_ip.and_then(|ip| address(&mut fields, "hostIp", ip));
    let labels = fields.text_map("labels");
    let service_account = fields.text("serviceAccount").map(Arc::from);
    let service = fields.text("service").filter(|text| !text.is_empty());
    if let Some(Err(error)) = service.map(|service| canonical(service, "default", domain)) {
        fields.problem("service", error.to_string());
    }
    let workload = Workload {
        name: name.map(Arc::from),
        namespace: namespace.map(Arc::from),
        labels: Arc::new(labels.into_iter().collect()),
        service_account,
        addresses,
        owns_addresses: true,
        host_address,
        service: service.map(Arc::from),
    };
    let Some((key, shown)) = identity else { return Err(fields.into_problems()) };
    fields.finish(Record { key, workload, shown })
}

fn address(fields: &mut Params<'_>, field: &str, text: &str) -> Option<IpAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        fields.problem(field, format!("`{text}` is not an IP address"));
    }
    address
}
