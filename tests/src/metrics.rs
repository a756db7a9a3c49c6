//! Just enough of the Prometheus text format to add up what a page says.

/// A page of metrics.
#[derive(Clone, Debug)]
pub struct Metrics(String);

impl Metrics {
    /// Takes the text of `/metrics`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it came.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The sum of all samples of `name` that carry all of `labels`; 0 if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(name)
            .filter(|(own, _)| labels.iter().all(|(key, value)| own.contains(&format!("{key}=\"{value}\""))))
            .map(|(_, value)| value)
            .sum()
    }

    /// [`Self::sum`] as the whole number that a counter is.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.sum(name, labels).round() as u64
    }

    /// Label text and value of each sample of exactly this name.
    fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(labelled) => labelled.rsplit_once('}')?,
                None if rest.starts_with(' ') => ("", rest),
                None => return None,
            };
            Some((labels, value.split_whitespace().next()?.parse().ok()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn adds_up_what_matches() {
        let page = Metrics::new("# HELP a b\na{x=\"1\",y=\"2\"} 3\na{x=\"2\"} 4\na_total 9\nb 5\n");
        assert_eq!(page.count("a", &[]), 7);
        assert_eq!(page.count("a", &[("x", "1")]), 3);
        assert_eq!(page.count("b", &[]), 5);
        assert_eq!(page.count("c", &[]), 0);
    }
}
