//! `quotas` aspects: amounts that are limited, counted by labels.

use std::sync::Arc;
use std::time::Duration;

use attributes::Value;
use checkcache::Recorder;
use expr::Program;

use super::{AspectError, evaluated};
use crate::QuotaDescriptor;

/// One quota of a `quotas` aspect.
#[derive(Debug)]
pub struct QuotaParams {
    /// The shape of the quota.
    pub descriptor: Arc<QuotaDescriptor>,
    /// The labels, sorted by name.
    pub labels: Vec<(Arc<str>, Program)>,
    /// How much there is, unless an override says otherwise.
    pub limit: QuotaLimit,
    /// Other limits for some labels; the first that applies counts.
    pub overrides: Vec<QuotaOverride>,
}

/// Another limit for some labels.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaOverride {
    /// The labels that it applies to: all of these have these values. Sorted by name.
    pub labels: Vec<(Arc<str>, Value)>,
    /// How much there is.
    pub limit: QuotaLimit,
}

/// What of a quota is asked for: which counter, and how much there is of it.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaInstance {
    /// The quota's name.
    pub name: Arc<str>,
    /// The descriptor's labels, sorted by name. Each set of values is counted by itself.
    pub labels: Vec<(Arc<str>, Value)>,
    /// How much there is.
    pub limit: QuotaLimit,
}

/// How much there is of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuotaLimit {
    /// The most that may be taken, from 0.
    pub max_amount: i64,
    /// The span of time that it may be taken in, longer than 0. `None` for an allocation quota, whose amounts are in
    /// use until they are released.
    pub window: Option<Duration>,
}

impl QuotaParams {
    pub(super) fn evaluate(&self, recorder: &mut Recorder<'_>) -> Result<QuotaInstance, AspectError> {
        let name = &self.descriptor.name;
        let labels = self
            .labels
            .iter()
            .map(|(label, program)| {
                let value = evaluated(program, || format!("label `{label}` of quota `{name}`"), recorder)?;
                Ok((Arc::clone(label), value))
            })
            .collect::<Result<Vec<_>, AspectError>>()?;
        let limit =
            self.overrides.iter().find(|other| other.applies(&labels)).map_or(self.limit, |o| o.limit);
        Ok(QuotaInstance { name: Arc::clone(name), labels, limit })
    }
}

impl QuotaOverride {
    fn applies(&self, labels: &[(Arc<str>, Value)]) -> bool {
        self.labels.iter().all(|wanted| labels.contains(wanted))
    }
}
