//! POSIX `TZ` rules: `CET-1CEST,M3.5.0,M10.5.0/3`.

use time::{Date, Month, OffsetDateTime, Weekday};

use super::Offset;

/// Standard time, and summer time if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    standard: Offset,
    summer: Option<Summer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Summer {
    offset: Offset,
    start: Change,
    end: Change,
}

/// A day of every year and a time of that day, in seconds of the offset that ends there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    day: Day,
    seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    /// `Jn`: the 29th of February is never counted.
    WithoutLeap(i64),
    /// `n`: from 0, it is.
    Plain(i64),
    /// `Mm.w.d`.
    Weekday { month: u8, week: u8, day: u8 },
}

impl Rule {
    /// Reads a rule; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let name = name(&mut rest)?;
        let standard = Offset { seconds: -time(&mut rest)?, name };
        if rest.is_empty() {
            return Some(Self { standard, summer: None });
        }
        let name = self::name(&mut rest)?;
        let seconds = match rest.starts_with(',') {
            true => standard.seconds + 3600,
            false => -time(&mut rest)?,
        };
        let mut changes = rest.strip_prefix(',')?.split(',').map(Change::parse);
        let (start, end) = (changes.next()??, changes.next()??);
        let offset = Offset { seconds, name };
        Some(Self { standard, summer: Some(Summer { offset, start, end }) })
    }

    /// The offset that holds at `timestamp`.
    pub(super) fn at(&self, timestamp: i64) -> Offset {
        let Some(summer) = &self.summer else { return self.standard.clone() };
        let Ok(then) = OffsetDateTime::from_unix_timestamp(timestamp) else {
            return self.standard.clone();
        };
        let bounds = (
            summer.start.in_year(then.year(), self.standard.seconds),
            summer.end.in_year(then.year(), summer.offset.seconds),
        );
        let is_summer = match bounds {
            (Some(start), Some(end)) if start <= end => (start..end).contains(&timestamp),
            // The southern half: summer goes over new year.
            (Some(start), Some(end)) => !(end..start).contains(&timestamp),
            _ => false,
        };
        if is_summer { summer.offset.clone() } else { self.standard.clone() }
    }
}

impl Change {
    fn parse(text: &str) -> Option<Self> {
        let (day, at) = text.split_once('/').map_or((text, None), |(day, at)| (day, Some(at)));
        let seconds = match at {
            Some(mut at) => i64::from(time(&mut at)?),
            None => 7200,
        };
        let day = match (day.strip_prefix('J'), day.strip_prefix('M')) {
            (Some(number), _) => Day::WithoutLeap(number.parse().ok()?),
            (_, Some(fields)) => {
                let mut fields = fields.split('.').map(|field| field.parse().ok());
                let mut next = || fields.next().flatten();
                Day::Weekday { month: next()?, week: next()?, day: next()? }
            }
            _ => Day::Plain(day.parse().ok()?),
        };
        Some(Self { day, seconds })
    }

    /// When it comes in a year, given the offset that holds until then.
    fn in_year(&self, year: i32, offset: i32) -> Option<i64> {
        let new_year = Date::from_calendar_date(year, Month::January, 1).ok()?;
        let day = match self.day {
            Day::Plain(day) => day,
            Day::WithoutLeap(day) => {
                day - 1 + i64::from(time::util::is_leap_year(year) && day >= 60)
            }
            Day::Weekday { month, week, day } => {
                let date = weekday(year, month, week, day)?;
                i64::from(date.ordinal()) - 1
            }
        };
        let midnight = new_year.midnight().assume_utc().unix_timestamp() + day * 86400;
        Some(midnight + self.seconds - i64::from(offset))
    }
}

/// The `week`th such day of a month, the last for 5.
fn weekday(year: i32, month: u8, week: u8, day: u8) -> Option<Date> {
    let month = Month::try_from(month).ok()?;
    let first = Date::from_calendar_date(year, month, 1).ok()?;
    let wanted = Weekday::Sunday.nth_next(day % 7);
    let skip = wanted.number_days_from_sunday() + 7 - first.weekday().number_days_from_sunday();
    let mut number = 1 + skip % 7 + 7 * (week.clamp(1, 5) - 1);
    if number > month.length(year) {
        number -= 7;
    }
    Date::from_calendar_date(year, month, number).ok()
}

/// A zone's short name: letters, or anything between `<` and `>`.
fn name(rest: &mut &str) -> Option<String> {
    let (name, after) = match rest.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?,
        None => {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            rest.split_at(end)
        }
    };
    *rest = after;
    (!name.is_empty()).then(|| name.to_owned())
}

/// `[+-]h[:mm[:ss]]` in seconds.
fn time(rest: &mut &str) -> Option<i32> {
    let end = rest.find(|c: char| !(c.is_ascii_digit() || "+-:".contains(c))).unwrap_or(rest.len());
    let (text, after) = rest.split_at(end);
    *rest = after;
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut sum = 0;
    for (field, unit) in text.split(':').zip([3600, 60, 1]) {
        sum += field.parse::<i32>().ok().filter(|n| (0..=167).contains(n))? * unit;
    }
    Some(sign * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_the_world() {
        let berlin = Rule::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // The last Sunday of March 2025 at one o'clock UTC.
        assert_eq!(berlin.at(1_743_296_399).name, "CET");
        assert_eq!(berlin.at(1_743_296_400).name, "CEST");
        let sydney = Rule::parse("AEST-10AEDT,M10.1.0,M4.1.0/3").unwrap();
        assert_eq!(sydney.at(1_735_700_000).seconds, 39600);
        assert_eq!(sydney.at(1_750_000_000).seconds, 36000);
        let odd = Rule::parse("<+0545>-5:45").unwrap();
        assert_eq!((odd.at(0).seconds, odd.at(0).name.as_str()), (20700, "+0545"));
        assert_eq!(Rule::parse("EST5EDT,J60,J300").unwrap().at(1_750_000_000).name, "EDT");
        for text in ["", "5", "CET-1CEST", "CET-1CEST,M3", "CET-999"] {
            assert_eq!(Rule::parse(text), None, "{text}");
        }
    }
}
