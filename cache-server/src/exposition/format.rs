//! The two formats that metrics are written in, and which of them somebody wants.

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own text format.
    Text,
    /// `OpenMetrics`.
    OpenMetrics,
}

impl Format {
    /// The content type of a page.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What stands at the end of a page.
    pub fn end(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::OpenMetrics => "# EOF\n",
        }
    }

    /// What somebody wants who sends this `Accept` header: `OpenMetrics` if it is asked for by name, in a version that
    /// we write, and not less than the other.
    pub fn accepted(accept: &str) -> Self {
        let mut wanted = (0.0, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let (mut weight, mut version) = (1.0, "");
            for part in parts {
                match part.split_once('=') {
                    Some(("q", value)) => weight = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => version = value,
                    Some(_) | None => {}
                }
            }
            let is_ours = matches!(version, "" | "1.0.0");
            if name.eq_ignore_ascii_case("application/openmetrics-text") && is_ours {
                wanted.0 = f64::max(wanted.0, weight);
            } else if name.eq_ignore_ascii_case("text/plain") {
                wanted.1 = f64::max(wanted.1, weight);
            }
        }
        let (open_metrics, text) = wanted;
        if open_metrics > 0.0 && open_metrics >= text { Self::OpenMetrics } else { Self::Text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_those_who_want_it() {
        for accept in [
            "application/openmetrics-text",
            "application/openmetrics-text; version=1.0.0, text/plain",
            // Prometheus.
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;\
             version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;\
             q=0.3,*/*;q=0.2",
        ] {
            assert_eq!(Format::accepted(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html, text/plain;q=0.5, */*;q=0.1",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3",
            "application/openmetrics-text;q=0.2,text/plain;q=0.3",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=x",
        ] {
            assert_eq!(Format::accepted(accept), Format::Text, "{accept}");
        }
    }
}
