//! A strict reader of the OpenMetrics text format 1.0, as far as this project's pages go: what it takes, any collector
//! takes. (Not here, as nothing writes it: exemplars, timestamps, summaries, state sets.)

use std::collections::{BTreeMap, BTreeSet};

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// One metric family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    /// `counter`, `gauge`, `histogram`, `info`.
    pub kind: String,
    pub help: String,
    pub unit: String,
    pub samples: Vec<Sample>,
}

/// One line with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// With its suffix: `_total`, `_bucket`.
    pub name: String,
    pub labels: Labels,
    pub value: f64,
}

/// Every family of a page, by its name.
pub type Page = BTreeMap<String, Family>;

/// Reads a page.
///
/// # Errors
/// The first thing that is not as the format has it.
pub fn parse(text: &str) -> Result<Page, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("the page does not end with # EOF")?;
    let mut families: Vec<(String, Family)> = Vec::new();
    for line in body.lines() {
        let at = |why: &str| format!("{why}: {line}");
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (Some(what), Some(name)) = (words.next(), words.next()) else { return Err(at("half a comment")) };
            let rest = words.next().unwrap_or_default();
            if families.last().is_none_or(|(last, _)| last != name) {
                if !is_name(name) || families.iter().any(|(other, _)| other == name) {
                    return Err(at("not a name, or one that was there before"));
                }
                families.push((name.to_owned(), Family::default()));
            }
            let Some((_, family)) = families.last_mut() else { return Err(at("no family")) };
            if !family.samples.is_empty() {
                return Err(at("after a sample of its own"));
            }
            let field = match what {
                "TYPE" if ["counter", "gauge", "histogram", "info"].contains(&rest) => &mut family.kind,
                "HELP" => &mut family.help,
                "UNIT" if name.ends_with(&format!("_{rest}")) => &mut family.unit,
                _ => return Err(at("unknown, or a unit that the name does not end with")),
            };
            if rest.is_empty() || !std::mem::replace(field, rest.to_owned()).is_empty() {
                return Err(at("empty, or there twice"));
            }
        } else {
            let sample = sample(line).ok_or_else(|| at("not a sample"))?;
            let Some((name, family)) = families.last_mut() else { return Err(at("a sample of no family")) };
            check(name, family, &sample).map_err(|why| at(&why))?;
            family.samples.push(sample);
        }
    }
    for (name, family) in &families {
        let whole = !family.kind.is_empty() && !family.help.is_empty();
        let histograms = if family.kind == "histogram" { buckets(family) } else { Ok(()) };
        histograms
            .and(if whole { Ok(()) } else { Err("no TYPE or no HELP".to_owned()) })
            .map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(families.into_iter().collect())
}

/// Whether a sample fits to its family and comes for the first time.
fn check(name: &str, family: &Family, sample: &Sample) -> Result<(), String> {
    let suffixes: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_count", "_sum"],
        _ => return Err("before its TYPE".to_owned()),
    };
    let suffix = sample.name.strip_prefix(name).filter(|suffix| suffixes.contains(suffix));
    let Some(suffix) = suffix else { return Err(format!("not a sample of {name}, a {}", family.kind)) };
    if sample.labels.contains_key("le") != (suffix == "_bucket") {
        return Err("le is for the buckets of a histogram".to_owned());
    }
    if family.samples.iter().any(|other| other.name == sample.name && other.labels == sample.labels) {
        return Err("there twice".to_owned());
    }
    let negative = sample.value < 0.0 || sample.value.is_nan();
    match family.kind.as_str() {
        "counter" | "histogram" if negative => Err("less than nothing".to_owned()),
        "info" if sample.value != 1.0 => Err("not 1".to_owned()),
        _ => Ok(()),
    }
}

/// Buckets grow, end with `+Inf`, and that one is the count.
fn buckets(family: &Family) -> Result<(), String> {
    let mut series: BTreeMap<Labels, Vec<&Sample>> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        labels.remove("le");
        series.entry(labels).or_default().push(sample);
    }
    for samples in series.values() {
        let of = |suffix: &str| samples.iter().filter(|sample| sample.name.ends_with(suffix)).collect::<Vec<_>>();
        let (buckets, count, sum) = (of("_bucket"), of("_count"), of("_sum"));
        let bound = |sample: &Sample| {
            if sample.labels["le"] == "+Inf" { Ok(f64::INFINITY) } else { sample.labels["le"].parse::<f64>() }
        };
        let bounds: Vec<f64> =
            buckets.iter().map(|sample| bound(sample)).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
        if !bounds.is_sorted_by(|a, b| a < b) || bounds.last() != Some(&f64::INFINITY) {
            return Err("bounds that do not rise to +Inf".to_owned());
        }
        if !buckets.is_sorted_by(|a, b| a.value <= b.value) {
            return Err("buckets are cumulative".to_owned());
        }
        let last = buckets.last().map(|sample| sample.value);
        if sum.len() != 1 || count.len() != 1 || last != Some(count[0].value) {
            return Err("one sum, and one count that is what +Inf says".to_owned());
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `name{label="value",other="\"quoted\""} 1.5`
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        while !inner.starts_with('}') {
            let (label, value) = inner.split_once("=\"")?;
            let (value, after) = quoted(value)?;
            let twice = labels.insert(label.to_owned(), value).is_some();
            if !is_name(label) || twice {
                return None;
            }
            inner = after
                .strip_prefix(',')
                .filter(|more| !more.starts_with('}'))
                .or(after.starts_with('}').then_some(after))?;
        }
        rest = inner.strip_prefix('}')?;
    }
    let value = rest.strip_prefix(' ')?;
    let plain =
        value.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c)) || ["+Inf", "-Inf", "NaN"].contains(&value);
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
        .filter(|sample| plain && is_name(&sample.name))
}

/// A value up to its closing quote, and what comes after that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => match chars.next()?.1 {
                'n' => value.push('\n'),
                c @ ('"' | '\\') => value.push(c),
                _ => return None,
            },
            (_, c) => value.push(c),
        }
    }
}

/// The names of a family's labels, without a histogram's own.
pub fn label_names(family: &Family) -> BTreeSet<String> {
    let names = family.samples.iter().flat_map(|sample| sample.labels.keys().cloned());
    names.filter(|name| name != "le").collect()
}
