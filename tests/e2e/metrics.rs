//! `/metrics`, read.

use std::collections::BTreeSet;

/// The page as it came.
pub struct Metrics(pub String);

impl Metrics {
    /// The sum of a metric over all children that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples()
            .filter(|(n, l, _)| *n == name && labels.iter().all(|(k, v)| l.contains(&format!("{k}=\"{v}\""))))
            .map(|s| s.2)
            .sum()
    }

    /// The names of all samples.
    pub fn names(&self) -> BTreeSet<&str> {
        self.samples().map(|(name, ..)| name).collect()
    }

    /// Name, labels as they stand, value.
    pub fn samples(&self) -> impl Iterator<Item = (&str, &str, f64)> {
        self.0.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name, labels, value.parse().ok()?))
        })
    }
}
