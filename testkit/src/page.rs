//! `/metrics`, as far as tests read it.

/// The text of the page.
pub struct Page(pub String);

impl Page {
    /// The sum of a counter or gauge over all samples with these labels; 0 without a sample.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted = |of_it: &str| labels.iter().all(|(key, value)| of_it.contains(&format!("{key}=\"{value}\"")));
        self.samples().filter(|(n, of_it, _)| *n == name && wanted(of_it)).map(|sample| sample.2).sum()
    }

    /// Name, labels as they are written, value.
    pub fn samples(&self) -> impl Iterator<Item = (&str, &str, f64)> {
        self.0.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name, labels, value.parse().ok()?))
        })
    }

    /// `name type labels` of each metric, sorted, as the table in docs/metrics.md has them.
    pub fn metrics(&self) -> std::collections::BTreeMap<String, String> {
        let types = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        types
            .map(|(family, kind)| {
                let suffix = ["counter", "info"].contains(&kind).then(|| kind.replace("counter", "total"));
                let name = suffix.map_or_else(|| family.to_owned(), |suffix| format!("{family}_{suffix}"));
                let of_it = self.samples().filter(|(sample, ..)| sample.starts_with(family)).map(|sample| sample.1);
                let mut labels: Vec<&str> = of_it.flat_map(label_names).filter(|label| *label != "le").collect();
                labels.sort_unstable();
                labels.dedup();
                (name, format!("{kind} {}", labels.join(", ")).trim_end().to_owned())
            })
            .collect()
    }
}

/// The names in `name="pki",le="1.0"}`.
fn label_names(labels: &str) -> impl Iterator<Item = &str> {
    labels.split("\",").filter_map(|label| Some(label.split_once("=\"")?.0))
}
