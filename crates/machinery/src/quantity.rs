//! Amounts of resources: `100m`, `1.5Gi`, `2e3`.
//!
//! Exact to the nano unit, as the API promises; what is finer is rounded up, what is too large saturates.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

const NANOS: i128 = 1_000_000_000;

/// How a quantity is written; kept through arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `n`, `u`, `m`, none, `k`, `M`, `G`, `T`, `P`, `E`.
    #[default]
    DecimalSi,
    /// `Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `Ei`.
    BinarySi,
    /// `e3`, `e-6`.
    DecimalExponent,
}

/// Why a text is not a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not a number with a suffix.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Form,
    /// The suffix names no unit.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// An amount. Equality, order and hash go by the amount alone, not by how it is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quantity {
    /// The amount in units of 10⁻⁹.
    nanos: i128,
    format: Format,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// Reads any form the API takes.
    ///
    /// # Errors
    /// [`Error`] when the text is not a quantity.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let number = Number::split(text)?;
        let (base, exponent, format) = suffix(number.suffix)?;
        let nanos = match base {
            Base::Two => number.times_power_of_two(exponent),
            Base::Ten => number.times_power_of_ten(exponent),
        };
        Ok(Self { nanos: if number.negative { -nanos } else { nanos }, format })
    }

    /// Reads a quantity from a JSON string or number; nothing for anything else.
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text).ok(),
            Value::Number(number) => Self::parse(&number.to_string()).ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A whole amount, written with decimal suffixes.
    pub fn from_value(value: i64) -> Self {
        Self { nanos: i128::from(value) * NANOS, format: Format::DecimalSi }
    }

    /// A whole amount, written with binary suffixes (memory).
    pub fn from_bytes(value: i64) -> Self {
        Self { format: Format::BinarySi, ..Self::from_value(value) }
    }

    /// An amount in thousandths (CPU).
    pub fn from_milli(milli: i64) -> Self {
        Self { nanos: i128::from(milli) * (NANOS / 1_000), format: Format::DecimalSi }
    }

    /// The same amount in another notation.
    #[must_use]
    pub fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// How the quantity is written.
    pub fn format(self) -> Format {
        self.format
    }

    /// The amount, rounded away from zero to a whole number; saturates.
    pub fn value(self) -> i64 {
        saturate(divide_up(self.nanos, NANOS))
    }

    /// The amount in thousandths, rounded away from zero; saturates.
    pub fn milli_value(self) -> i64 {
        saturate(divide_up(self.nanos, NANOS / 1_000))
    }

    /// The amount as a floating-point number; loses precision.
    #[expect(clippy::cast_precision_loss, reason = "an approximation is what is asked for")]
    pub fn to_f64(self) -> f64 {
        self.nanos as f64 / NANOS as f64
    }

    /// Whether the amount is zero.
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether the amount is below zero.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// How many whole times `unit` fits into this amount; nothing when the unit is not positive.
    pub fn times_fitting(self, unit: Self) -> Option<i64> {
        (unit.nanos > 0).then(|| saturate(self.nanos.div_euclid(unit.nanos)))
    }

    /// The notation of a sum: zero has no say.
    fn joint_format(self, other: Self) -> Format {
        if self.is_zero() { other.format } else { self.format }
    }
}

/// Quotient rounded away from zero.
fn divide_up(value: i128, divisor: i128) -> i128 {
    let quotient = value / divisor;
    match value % divisor {
        0 => quotient,
        rest => quotient + rest.signum(),
    }
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// A quantity's text taken apart.
struct Number<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Number<'a> {
    fn split(text: &'a str) -> Result<Self, Error> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, rest) = rest.split_at(digits(rest));
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits(rest)),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(Error::Form);
        }
        Ok(Self {
            negative,
            whole: whole.trim_start_matches('0'),
            fraction: fraction.trim_end_matches('0'),
            suffix,
        })
    }

    fn times_power_of_ten(&self, exponent: i32) -> i128 {
        // Fast path: `100m`, `2`, `5k`. Ten digits times 10^27 still fit.
        if let (true, Ok(shift @ 0..=27)) =
            (self.fraction.is_empty() && self.whole.len() <= 10, u32::try_from(exponent + 9))
        {
            return self.whole.parse::<i128>().unwrap_or(0) * 10_i128.pow(shift);
        }
        let digits: String = [self.whole, self.fraction].concat();
        // Where the point of the nano amount stands among the digits.
        let point =
            i64::try_from(self.whole.len()).unwrap_or(i64::MAX).saturating_add(i64::from(exponent) + 9);
        let leading_zeros = digits.len() - digits.trim_start_matches('0').len();
        if leading_zeros == digits.len() {
            return 0;
        }
        if point <= 0 {
            return 1;
        }
        let point = usize::try_from(point).unwrap_or(usize::MAX);
        if point - leading_zeros.min(point) > 38 {
            return i128::MAX;
        }
        let kept = &digits[..point.min(digits.len())];
        let rest_is_zero = digits[kept.len()..].bytes().all(|b| b == b'0');
        let kept: i128 = if kept.is_empty() { 0 } else { kept.parse().unwrap_or(i128::MAX) };
        let zeros = u32::try_from(point.saturating_sub(digits.len())).unwrap_or(u32::MAX);
        let scaled =
            10_i128.checked_pow(zeros).and_then(|scale| kept.checked_mul(scale)).unwrap_or(i128::MAX);
        scaled.saturating_add(i128::from(!rest_is_zero))
    }

    fn times_power_of_two(&self, exponent: i32) -> i128 {
        const FRACTION_DIGITS: usize = 18;
        let scale = 1_i128 << exponent;
        let whole: i128 = if self.whole.is_empty() { 0 } else { self.whole.parse().unwrap_or(i128::MAX) };
        let (kept, rest) = self.fraction.split_at(self.fraction.len().min(FRACTION_DIGITS));
        let mut fraction: i128 = format!("{kept:0<FRACTION_DIGITS$}").parse().unwrap_or(0);
        fraction += i128::from(!rest.is_empty());
        // Below 10^18 · 2^60, which fits; in nanos after the division.
        let fraction = divide_up(fraction * scale, NANOS);
        whole.saturating_mul(scale).saturating_mul(NANOS).saturating_add(fraction)
    }
}

enum Base {
    Two,
    Ten,
}

const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, i32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

fn suffix(suffix: &str) -> Result<(Base, i32, Format), Error> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Ok((Base::Ten, *exponent, Format::DecimalSi));
    }
    if let Some((_, exponent)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Ok((Base::Two, *exponent, Format::BinarySi));
    }
    let exponent = suffix.strip_prefix(['e', 'E']).and_then(|digits| digits.parse().ok());
    let exponent: i32 =
        exponent.ok_or_else(|| if is_suffix_form(suffix) { Error::Suffix } else { Error::Form })?;
    Ok((Base::Ten, exponent.clamp(-1_000_000, 1_000_000), Format::DecimalExponent))
}

/// `[eEinumkKMGTP]*[-+]?[0-9]*`
fn is_suffix_form(suffix: &str) -> bool {
    let rest = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    rest.bytes().all(|b| b.is_ascii_digit())
}

impl fmt::Display for Quantity {
    /// The canonical text: no fraction, the largest suffix that allows that.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        // Binary suffixes say nothing below one Ki, and nothing exact of a fraction.
        let is_whole = self.nanos % NANOS == 0;
        if self.format == Format::BinarySi && is_whole && self.nanos.abs() >= 1_024 * NANOS {
            let mut value = self.nanos / NANOS;
            let mut step = 0;
            while step < BINARY.len() && value % 1_024 == 0 {
                value /= 1_024;
                step += 1;
            }
            return write!(f, "{value}{}", step.checked_sub(1).map_or("", |step| BINARY[step].0));
        }
        let largest = if self.format == Format::DecimalExponent { i32::MAX } else { 18 };
        let (mut value, mut exponent) = (self.nanos, -9);
        while exponent < largest && value % 1_000 == 0 {
            value /= 1_000;
            exponent += 3;
        }
        match (self.format, exponent) {
            (_, 0) => write!(f, "{value}"),
            (Format::DecimalExponent, exponent) => write!(f, "{value}e{exponent}"),
            (Format::DecimalSi | Format::BinarySi, exponent) => {
                let name = DECIMAL.iter().find(|(_, e)| *e == exponent).map_or("", |(name, _)| *name);
                write!(f, "{value}{name}")
            }
        }
    }
}

impl FromStr for Quantity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nanos.hash(state);
    }
}

impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_add(other.nanos), format: self.joint_format(other) }
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_sub(other.nanos), format: self.joint_format(other) }
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Quantity {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Mul<i64> for Quantity {
    type Output = Self;

    fn mul(self, factor: i64) -> Self {
        Self { nanos: self.nanos.saturating_mul(i128::from(factor)), ..self }
    }
}

impl Neg for Quantity {
    type Output = Self;

    fn neg(self) -> Self {
        Self { nanos: self.nanos.saturating_neg(), ..self }
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(quantities: I) -> Self {
        quantities.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Self::parse(&text).map_err(serde::de::Error::custom),
            Value::Number(number) => Self::parse(&number.to_string()).map_err(serde::de::Error::custom),
            Value::Null => Ok(Self::ZERO),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(serde::de::Error::custom(Error::Form)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn every_form_has_one_canonical_text() {
        for (text, canonical) in [
            ("0.1", "100m"),
            ("1.5Gi", "1536Mi"),
            ("1000m", "1"),
            ("1024Ki", "1Mi"),
            ("0", "0"),
            ("0Gi", "0"),
            ("-0", "0"),
            ("1", "1"),
            ("+5", "5"),
            ("-1.5", "-1500m"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e6", "12e6"),
            ("1500e-3", "1500e-3"),
            ("2E", "2E"),
            ("0.5Ki", "512"),
            ("100Ki", "100Ki"),
            ("1.5Ki", "1536"),
            ("1433.6Mi", "1503238553600m"),
            ("1048576", "1048576"),
            ("5u", "5u"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("1000000n", "1m"),
            (".5", "500m"),
            ("5.", "5"),
            ("1.000000001", "1000000001n"),
            ("1.0000000001", "1000000001n"),
            ("000100m", "100m"),
            ("8Ei", "8Ei"),
            ("123456789012345678", "123456789012345678"),
            ("0.000000001Gi", "1073741824n"),
            ("100E", "100E"),
        ] {
            assert_eq!(quantity(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_quantity_is_refused() {
        for (text, error) in [
            ("", Error::Form),
            (".", Error::Form),
            ("a", Error::Form),
            ("-", Error::Form),
            ("1 Gi", Error::Form),
            ("1ki", Error::Suffix),
            ("1K", Error::Suffix),
            ("1e", Error::Suffix),
            ("1e1.5", Error::Form),
            ("1mm", Error::Suffix),
            ("1ü", Error::Form),
        ] {
            assert_eq!(Quantity::parse(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn whole_and_milli_values_are_rounded_away_from_zero() {
        assert_eq!(quantity("1100m").value(), 2);
        assert_eq!(quantity("-1100m").value(), -2);
        assert_eq!(quantity("0.1m").milli_value(), 1);
        assert_eq!(quantity("2").milli_value(), 2_000);
        assert_eq!(quantity("100E").value(), i64::MAX);
        assert_eq!(quantity("1e999999999").value(), i64::MAX);
        assert_eq!(quantity("1e-999999999"), quantity("1n"));
        assert_eq!(quantity("99999999999999999999999999999999999999999999Ei").value(), i64::MAX);
    }

    #[test]
    fn sums_keep_the_first_notation_and_zero_has_no_say() {
        assert_eq!((quantity("1Gi") + quantity("1Gi")).to_string(), "2Gi");
        assert_eq!((Quantity::ZERO + quantity("1Gi")).to_string(), "1Gi");
        assert_eq!((quantity("1") - quantity("100m")).to_string(), "900m");
        assert_eq!((quantity("1Ki") + quantity("1")).to_string(), "1025");
        assert_eq!((quantity("250m") * 4).to_string(), "1");
        assert_eq!(quantity("1").times_fitting(quantity("300m")), Some(3));
        assert_eq!(quantity("1").times_fitting(Quantity::ZERO), None);
    }

    #[test]
    fn json_numbers_are_quantities_too() {
        assert_eq!(serde_json::from_str::<Quantity>("0.5").unwrap().to_string(), "500m");
        assert_eq!(serde_json::from_str::<Quantity>("3").unwrap().to_string(), "3");
        assert_eq!(serde_json::to_string(&quantity("0.5")).unwrap(), "\"500m\"");
        assert!(serde_json::from_str::<Quantity>("true").is_err());
    }

    /// A small deterministic generator; the seed is in every message.
    fn random(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    #[test]
    fn canonical_text_reads_back_as_the_same_amount() {
        let mut seed = 0x9e37_79b9_7f4a_7c15;
        let suffixes =
            ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "e3", "E-3", "e12"];
        for _ in 0..20_000 {
            let started = seed;
            let whole = random(&mut seed) % 1_000_000;
            let fraction = random(&mut seed) % 10_000;
            let suffix = suffixes[usize::try_from(random(&mut seed) % 17).unwrap()];
            let text = match random(&mut seed) % 3 {
                0 => format!("{whole}{suffix}"),
                1 => format!("{whole}.{fraction}{suffix}"),
                _ => format!("-{whole}.{fraction:04}{suffix}"),
            };
            let first = quantity(&text);
            let written = first.to_string();
            let second = quantity(&written);
            // A binary notation rounds to whole bytes when written.
            if first.format() == Format::BinarySi && first.nanos % NANOS != 0 {
                assert!(second >= first || first.is_negative(), "{text} → {written} (seed {started})");
            } else {
                assert_eq!(first, second, "{text} → {written} (seed {started})");
            }
            if first.format() != Format::BinarySi {
                assert_eq!(second.to_string(), written, "{text} is not stable (seed {started})");
            }
            let other = Quantity::from_milli(i64::try_from(whole).unwrap());
            assert_eq!(first + other - other, first, "{text} (seed {started})");
            assert_eq!((first + other).cmp(&first), whole.cmp(&0), "{text} (seed {started})");
        }
    }
}
