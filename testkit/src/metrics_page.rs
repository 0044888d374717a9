//! Reads the page `/metrics`.

/// The text of the page.
pub struct MetricsPage(pub String);

impl MetricsPage {
    /// Adds up the samples of a counter or gauge that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let matches = |text: &str| labels.iter().all(|(key, value)| text.contains(&format!("{key}=\"{value}\"")));
        self.samples().filter(|(n, text, _)| *n == name && matches(text)).map(|sample| sample.2).sum()
    }

    /// The name, labels as written, and value of each sample.
    pub fn samples(&self) -> impl Iterator<Item = (&str, &str, f64)> {
        self.0.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name, labels, value.parse().ok()?))
        })
    }

    /// Returns `type labels` of each metric by its name, as in the table of docs/metrics.md.
    pub fn metrics(&self) -> std::collections::BTreeMap<String, String> {
        let types = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        types
            .map(|(family, kind)| {
                let suffix = ["counter", "info"].contains(&kind).then(|| kind.replace("counter", "total"));
                let name = suffix.map_or_else(|| family.to_owned(), |suffix| format!("{family}_{suffix}"));
                let samples = self.samples().filter(|(sample, ..)| sample.starts_with(family)).map(|sample| sample.1);
                let mut labels: Vec<&str> = samples.flat_map(label_names).filter(|label| *label != "le").collect();
                labels.sort_unstable();
                labels.dedup();
                (name, format!("{kind} {}", labels.join(", ")).trim_end().to_owned())
            })
            .collect()
    }
}

/// The label names in `name="pki",le="1.0"}`.
fn label_names(labels: &str) -> impl Iterator<Item = &str> {
    labels.split("\",").filter_map(|label| Some(label.split_once("=\"")?.0))
}
