//! `math`.

use super::{Args, Builtin, Result};
use crate::error::RuntimeError;
use crate::eval::modulo;
use crate::machine::Machine;
use crate::number;
use crate::value::{Returns, Value};

/// A function of one number.
macro_rules! unary {
    ($name:literal, $compute:expr) => {
        Builtin {
            name: $name,
            run: |_, values| {
                let compute: fn(f64) -> f64 = $compute;
                Ok(Returns::One(Value::Number(compute(Args::new($name, values).number(1)?))))
            },
        }
    };
}

/// A function of two numbers.
macro_rules! binary {
    ($name:literal, $compute:expr) => {
        Builtin {
            name: $name,
            run: |_, values| {
                let compute: fn(f64, f64) -> f64 = $compute;
                let args = Args::new($name, values);
                Ok(Returns::One(Value::Number(compute(args.number(1)?, args.number(2)?))))
            },
        }
    };
}

pub(super) const FUNCTIONS: &[Builtin] = &[
    unary!("abs", f64::abs),
    unary!("acos", f64::acos),
    unary!("asin", f64::asin),
    unary!("atan", f64::atan),
    binary!("atan2", f64::atan2),
    unary!("ceil", f64::ceil),
    unary!("cos", f64::cos),
    unary!("cosh", f64::cosh),
    unary!("deg", f64::to_degrees),
    unary!("exp", f64::exp),
    unary!("floor", f64::floor),
    binary!("fmod", |left, right| left % right),
    Builtin { name: "frexp", run: frexp },
    Builtin { name: "ldexp", run: ldexp },
    unary!("log", f64::ln),
    unary!("log10", f64::log10),
    Builtin { name: "max", run: max },
    Builtin { name: "min", run: min },
    binary!("mod", modulo),
    Builtin { name: "modf", run: modf },
    binary!("pow", f64::powf),
    unary!("rad", f64::to_radians),
    Builtin { name: "random", run: random },
    Builtin { name: "randomseed", run: randomseed },
    unary!("sin", f64::sin),
    unary!("sinh", f64::sinh),
    unary!("sqrt", f64::sqrt),
    unary!("tan", f64::tan),
    unary!("tanh", f64::tanh),
];

fn extreme(name: &'static str, values: &[Value], better: fn(f64, f64) -> bool) -> Result<Returns> {
    let args = Args::new(name, values);
    if args.len() == 0 {
        return Err(RuntimeError::new("wrong number of arguments"));
    }
    let mut best = args.number(1)?;
    for at in 2..=args.len() {
        let number = args.number(at)?;
        if better(number, best) {
            best = number;
        }
    }
    Ok(Returns::One(Value::Number(best)))
}

fn max(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    extreme("max", values, |number, best| number > best)
}

fn min(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    extreme("min", values, |number, best| number < best)
}

fn modf(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let number = Args::new("modf", values).number(1)?;
    let fraction = if number.is_infinite() { f64::NAN } else { number.fract() };
    Ok(Returns::Many(vec![Value::Number(number.trunc()), Value::Number(fraction)]))
}

/// Mantissa in [0.5, 1) and exponent.
fn frexp(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let number = Args::new("frexp", values).number(1)?;
    let (mut mantissa, mut exponent) = (number, 0.0);
    if number != 0.0 && number.is_finite() {
        while mantissa.abs() >= 1.0 {
            mantissa /= 2.0;
            exponent += 1.0;
        }
        while mantissa.abs() < 0.5 {
            mantissa *= 2.0;
            exponent -= 1.0;
        }
    }
    Ok(Returns::Many(vec![Value::Number(mantissa), Value::Number(exponent)]))
}

fn ldexp(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("ldexp", values);
    let mut number = args.number(1)?;
    // Beyond these bounds the result is zero or infinite; two steps keep subnormals exact enough.
    let exponent = i32::try_from(args.integer(2)?.clamp(-2200, 2200)).unwrap_or(0);
    let half = exponent / 2;
    number = number * 2f64.powi(half) * 2f64.powi(exponent - half);
    Ok(Returns::One(Value::Number(number)))
}

/// The next of the machine's random numbers (splitmix64).
fn next_random(machine: &mut Machine<'_>) -> u64 {
    machine.surroundings.seed = machine.surroundings.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = machine.surroundings.seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn random(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("random", values);
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let unit = (next_random(machine) >> 11) as f64 / 9_007_199_254_740_992.0;
    let (low, high) = match args.len() {
        0 => return Ok(Returns::One(Value::Number(unit))),
        1 => (1.0, args.number(1)?.trunc()),
        _ => (args.number(1)?.trunc(), args.number(2)?.trunc()),
    };
    if low > high || !(high - low).is_finite() {
        return Err(args.bad(args.len(), "interval is empty"));
    }
    Ok(Returns::One(Value::Number((unit * (high - low + 1.0)).floor() + low)))
}

fn randomseed(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let seed = number::truncate(Args::new("randomseed", values).number(1)?);
    machine.surroundings.seed = u64::from_le_bytes(seed.to_le_bytes());
    Ok(Returns::Zero)
}
