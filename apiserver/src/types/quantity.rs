//! Quantities: `500m` CPUs, `1Gi` bytes. Stored in one form each, so that `0.5` and `500m` are the same object.
//!
//! The form is the real server's: no fraction, the largest suffix that leaves a whole number, and the family of suffixes
//! that the sender used (`1024Mi` is `1Gi`, not `1073741824`).

use std::str::FromStr;

use serde_json::Value;

/// The smallest part that is kept is a nano; what is smaller is rounded up.
const NANO: i128 = 1_000_000_000;
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// Nobody means more, and the arithmetic stays within its bounds.
const MOST_DIGITS: usize = 30;
const TOO_LARGE: &str = "the quantity is too large";
const WRONG: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// A number of nanos, and how its sender writes numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quantity {
    pub nanos: i128,
    family: Family,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    /// `k`: 1000
    Decimal,
    /// `Ki`: 1024
    Binary,
    /// `e3`
    Exponent,
}

impl FromStr for Quantity {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + part.len() == 0 || part.contains('.') {
            return Err(WRONG);
        }
        if whole.len() + part.len() > MOST_DIGITS {
            return Err(TOO_LARGE);
        }
        let digits: i128 = format!("{whole}{part}").parse().map_err(|_| WRONG)?;
        let (family, tens, twos) = parse_suffix(suffix).ok_or("unable to parse quantity's suffix")?;
        let exponent = tens + 9 - i32::try_from(part.len()).map_err(|_| WRONG)?;
        let power = 10_i128.checked_pow(exponent.unsigned_abs());
        let scaled = digits.checked_mul(1 << twos);
        let nanos = match (scaled, power) {
            (Some(scaled), Some(power)) if exponent >= 0 => scaled.checked_mul(power),
            // Rounded up, away from zero.
            (Some(scaled), Some(power)) => Some(scaled / power + i128::from(scaled % power != 0)),
            (Some(scaled), None) if exponent < 0 => Some(i128::from(scaled != 0)),
            _ => None,
        };
        let nanos = nanos.ok_or(TOO_LARGE)?;
        Ok(Quantity { nanos: if negative { -nanos } else { nanos }, family })
    }
}

/// The family, and the powers of ten and of two.
fn parse_suffix(suffix: &str) -> Option<(Family, i32, u32)> {
    if let Some(step) = DECIMAL.iter().position(|own| *own == suffix) {
        return Some((Family::Decimal, i32::try_from(step).ok()? * 3 - 9, 0));
    }
    if let Some(step) = BINARY.iter().position(|own| *own == suffix) {
        return Some((Family::Binary, 0, u32::try_from(step).ok()? * 10));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i8>().ok()?;
    Some((Family::Exponent, exponent.into(), 0))
}

impl Quantity {
    /// What is kept of an amount of a resource: a milli is the smallest.
    fn rounded_to_milli(self) -> Self {
        let milli = NANO / 1000;
        let up = self.nanos.div_euclid(milli) + i128::from(self.nanos.rem_euclid(milli) != 0);
        Quantity { nanos: up * milli, ..self }
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.family == Family::Binary && self.nanos.abs() >= 1024 * NANO {
            let mut number = self.nanos.div_euclid(NANO) + i128::from(self.nanos.rem_euclid(NANO) != 0);
            let mut step = 0;
            while number % 1024 == 0 && step + 1 < BINARY.len() {
                number /= 1024;
                step += 1;
            }
            return write!(f, "{number}{}", BINARY[step]);
        }
        let (mut number, mut step) = (self.nanos, 0);
        while number % 1000 == 0 && step + 1 < DECIMAL.len() && number != 0 {
            number /= 1000;
            step += 1;
        }
        match (self.family, step) {
            _ if number == 0 => write!(f, "0"),
            (Family::Exponent, 3) => write!(f, "{number}"),
            (Family::Exponent, _) => write!(f, "{number}e{}", 3 * step as i32 - 9),
            _ => write!(f, "{number}{}", DECIMAL[step]),
        }
    }
}

/// Puts every quantity of a pod, or of what has a template of one, into its form.
///
/// # Errors
/// What the real server says of one that cannot be read.
pub fn canonicalize(value: &mut Value) -> Result<(), &'static str> {
    match value {
        Value::Array(elements) => elements.iter_mut().try_for_each(canonicalize),
        Value::Object(fields) => fields.iter_mut().try_for_each(|(name, value)| match (name.as_str(), value) {
            ("limits" | "requests" | "overhead" | "allocatedResources", Value::Object(amounts)) => {
                amounts.values_mut().try_for_each(|amount| rewrite(amount, Quantity::rounded_to_milli))
            }
            ("sizeLimit" | "divisor", value @ Value::String(_)) => rewrite(value, |quantity| quantity),
            // The keys in these are the user's.
            ("labels" | "annotations" | "nodeSelector" | "matchLabels", _) => Ok(()),
            (_, value) => canonicalize(value),
        }),
        _ => Ok(()),
    }
}

fn rewrite(value: &mut Value, round: fn(Quantity) -> Quantity) -> Result<(), &'static str> {
    if let Some(text) = value.as_str() {
        *value = round(text.parse()?).to_string().into();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
