//! The part of `os` that is about time. The time is the machine's, the zone UTC.

use super::{Args, Builtin, Result};
use crate::machine::Machine;
use crate::number;
use crate::table::Table;
use crate::value::{Returns, Str, Value};

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin { name: "clock", run: |_, _| Ok(Returns::One(Value::Number(0.0))) },
    Builtin { name: "date", run: date },
    Builtin { name: "difftime", run: difftime },
    Builtin { name: "time", run: time },
];

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Seconds that dates are computed for: a quarter of a billion years around 1970.
const RANGE: i64 = i64::MAX / 1024;

struct Date {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    weekday: i64,
}

impl Date {
    /// The civil date of a number of seconds (Howard Hinnant's algorithm).
    fn of(seconds: i64) -> Self {
        let seconds = seconds.clamp(-RANGE, RANGE);
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_index + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: (days + 4).rem_euclid(7),
        }
    }

    fn month_name(&self) -> &'static str {
        usize::try_from(self.month - 1).ok().and_then(|at| MONTHS.get(at)).unwrap_or(&"")
    }

    fn weekday_name(&self) -> &'static str {
        usize::try_from(self.weekday).ok().and_then(|at| WEEKDAYS.get(at)).unwrap_or(&"")
    }
}

/// Days from 1970-01-01 to a civil date; months and days outside their ranges carry over.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let months = (month - 1).rem_euclid(12);
    let year = year + (month - 1).div_euclid(12);
    let shifted_year = if months < 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((months + 10) % 12) + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468 + day - 1
}

fn difftime(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("difftime", values);
    Ok(Returns::One(Value::Number(args.number(1)?.trunc() - args.number(2)?.trunc())))
}

fn field(table: &Table, name: &str, default: i64) -> i64 {
    // Wide enough for any date, narrow enough not to overflow.
    const BOUND: i64 = 1 << 33;
    table.get_str(name).as_number().map_or(default, number::truncate).clamp(-BOUND, BOUND)
}

fn seconds(value: i64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "Lua has floating point numbers only")]
    Value::Number(value as f64)
}

fn time(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("time", values);
    if args.len() == 0 {
        return Ok(Returns::One(seconds(machine.surroundings.now)));
    }
    let table = args.table(1)?;
    let days = days(field(table, "year", -1), field(table, "month", -1), field(table, "day", -1));
    let time = field(table, "hour", 12) * 3600 + field(table, "min", 0) * 60 + field(table, "sec", 0);
    Ok(Returns::One(seconds(days * DAY + time)))
}

fn date(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("date", values);
    let format = if args.len() == 0 { Str::fixed("%c") } else { args.string(1)? };
    let now = if args.len() >= 2 { args.integer(2)? } else { machine.surroundings.now };
    let date = Date::of(now);
    let format = format.to_text();
    let format = format.trim_start_matches('!');
    if format.starts_with("*t") {
        return date_table(machine, &date).map(Returns::One);
    }
    machine.charge_string(format.len() * 16)?;
    machine.owned_string(strftime(&date, format).into_bytes()).map(Returns::One)
}

fn date_table(machine: &mut Machine<'_>, date: &Date) -> Result<Value> {
    let table = machine.table_with_capacity(0, 9)?;
    let fields = [
        ("year", date.year),
        ("month", date.month),
        ("day", date.day),
        ("hour", date.hour),
        ("min", date.minute),
        ("sec", date.second),
        ("wday", date.weekday + 1),
        ("yday", 0),
    ];
    for (name, value) in fields {
        table.set_field(Str::fixed(name), seconds(value))?;
    }
    table.set_field(Str::fixed("isdst"), Value::Bool(false))?;
    Ok(Value::Table(table))
}

fn strftime(date: &Date, format: &str) -> String {
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') | None => out.push('%'),
            Some(flag) => out.push_str(&flagged(date, flag)),
        }
    }
    out
}

fn flagged(date: &Date, flag: char) -> String {
    let Date { year, month, day, hour, minute, second, .. } = date;
    let twelve = match hour % 12 {
        0 => 12,
        other => other,
    };
    let short_month = &date.month_name()[..3.min(date.month_name().len())];
    let short_year = year.rem_euclid(100);
    match flag {
        // The original's layout for this flag has no meaning to Go's formatter and comes out as written.
        'a' => "mon".to_owned(),
        'A' => date.weekday_name().to_owned(),
        'b' => short_month.to_owned(),
        'B' => date.month_name().to_owned(),
        'c' => format!("{day:02} {short_month} {short_year:02} {hour:02}:{minute:02} UTC"),
        'd' => format!("{day:02}"),
        'F' => format!("{year:04}-{month:02}-{day:02}"),
        'H' => format!("{hour:02}"),
        'I' => format!("{twelve:02}"),
        'm' => format!("{month:02}"),
        'M' => format!("{minute:02}"),
        'p' => if *hour < 12 { "AM" } else { "PM" }.to_owned(),
        'P' => if *hour < 12 { "am" } else { "pm" }.to_owned(),
        'S' => format!("{second:02}"),
        'w' => date.weekday.to_string(),
        'x' => format!("{hour:02}/{minute:02}/{second:02}"),
        'X' => format!("{hour:02}:{minute:02}:{second:02}"),
        'y' => format!("{short_year:02}"),
        'Y' => format!("{year:04}"),
        'z' => "+0000".to_owned(),
        'Z' => "UTC".to_owned(),
        other => format!("%{other}"),
    }
}
