//! Times in the form that a mapping describes, such as `%m/%d/%Y %H:%M`.
//!
//! The letters are those of `strptime`, but nothing is optional and nothing is guessed: a pattern is understood only if a
//! text that fits it is one time.

use super::time::{Parts, Read, Scan, TimeForm};

const MAX_PATTERN_BYTES: usize = 64;
const MONTHS: [&[u8; 3]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

/// A written-out form of times, such as `%m/%d/%Y %H:%M`.
#[derive(Debug)]
pub(super) struct Pattern {
    items: Vec<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Literal(u8),
    /// A number of that many digits, as `(least, most)`.
    Digits(Field, usize, usize),
    MonthName,
    Meridiem,
    Fraction,
    Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    ShortYear,
    Month,
    Day,
    Hour,
    HalfDayHour,
    Minute,
    Second,
}

// === impl Pattern ===

impl Pattern {
    /// Understands a pattern, if every text that fits it is one time only; the error says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_PATTERN_BYTES || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err("it is longer than 64 characters, or some of them are not printable ASCII");
        }
        let mut items = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            let item = match byte {
                b'%' => Item::of(bytes.next()).ok_or("only %Y %y %m %b %d %H %I %p %M %S %f %z and %% are known")?,
                byte => Item::Literal(byte),
            };
            items.push(item);
        }
        let count = |wanted: fn(&Item) -> bool| items.iter().filter(|item| wanted(item)).count();
        let field = |field: Field| items.iter().filter(|item| item.is(field)).count();
        let years = field(Field::Year) + field(Field::ShortYear);
        let months = field(Field::Month) + count(|item| matches!(item, Item::MonthName));
        let (half_day, meridiem) = (field(Field::HalfDayHour), count(|item| matches!(item, Item::Meridiem)));
        let hours = field(Field::Hour) + half_day;
        let fractions = count(|item| matches!(item, Item::Fraction));
        let zones = count(|item| matches!(item, Item::Zone));
        if (years, months, field(Field::Day)) != (1, 1, 1) {
            return Err("it needs one year, one month and one day");
        }
        if half_day != meridiem {
            return Err("%I and %p belong together");
        }
        // Of hour, minute, second and fraction each needs the one before it.
        let steps = [1, hours, field(Field::Minute), field(Field::Second), fractions];
        if !steps.is_sorted_by(|larger, smaller| larger >= smaller) || zones > hours {
            return Err("minutes need hours, seconds need minutes, fractions need seconds, and a zone needs hours");
        }
        Self::fix_widths(&mut items);
        Ok(Self { items })
    }

    /// Digits next to digits have their full width: `111` could be 11 and 1, or 1 and 11.
    fn fix_widths(items: &mut [Item]) {
        let is_digits = |item: &Item| match item {
            Item::Literal(byte) => byte.is_ascii_digit(),
            item => matches!(item, Item::Digits(..) | Item::Fraction),
        };
        for at in 1..items.len() {
            if is_digits(&items[at - 1]) && is_digits(&items[at]) {
                for item in &mut items[at - 1..=at] {
                    if let Item::Digits(_, least, most) = item {
                        *least = *most;
                    }
                }
            }
        }
    }

    /// Reads a text that fits the pattern from its beginning to its end.
    pub fn read(&self, text: &[u8]) -> Option<Read> {
        let mut scan = Scan { rest: text };
        let mut parts = Parts::default();
        let mut form = TimeForm::Date;
        let mut half_day = None;
        for item in &self.items {
            match *item {
                Item::Literal(byte) if scan.eat(byte) => {}
                Item::Literal(_) => return None,
                Item::MonthName => {
                    let name = scan.take(3)?.to_ascii_lowercase();
                    parts.month = 1 + MONTHS.iter().position(|month| month[..] == name)? as i16;
                }
                Item::Meridiem => {
                    half_day = match scan.take(2)? {
                        [b'A' | b'a', b'M' | b'm'] => Some(0),
                        [b'P' | b'p', b'M' | b'm'] => Some(12),
                        _ => return None,
                    };
                }
                Item::Fraction => parts.nanosecond = scan.fraction()?,
                Item::Zone => {
                    parts.offset = scan.zone()?;
                    form = TimeForm::Zoned;
                }
                Item::Digits(field, least, most) => {
                    let value = scan.digits(least, most)?;
                    if matches!(field, Field::Hour | Field::HalfDayHour) && form == TimeForm::Date {
                        form = TimeForm::Local;
                    }
                    field.set(value, &mut parts)?;
                }
            }
        }
        if let Some(noon) = half_day {
            parts.hour = parts.hour % 12 + noon;
        }
        scan.rest.is_empty().then(|| parts.read(form))?
    }
}

impl Item {
    /// What the letter behind a percent sign stands for.
    fn of(letter: Option<u8>) -> Option<Self> {
        Some(match letter? {
            b'Y' => Self::Digits(Field::Year, 4, 4),
            b'y' => Self::Digits(Field::ShortYear, 2, 2),
            b'm' => Self::Digits(Field::Month, 1, 2),
            b'd' => Self::Digits(Field::Day, 1, 2),
            b'H' => Self::Digits(Field::Hour, 1, 2),
            b'I' => Self::Digits(Field::HalfDayHour, 1, 2),
            b'M' => Self::Digits(Field::Minute, 2, 2),
            b'S' => Self::Digits(Field::Second, 2, 2),
            b'b' => Self::MonthName,
            b'p' => Self::Meridiem,
            b'f' => Self::Fraction,
            b'z' => Self::Zone,
            b'%' => Self::Literal(b'%'),
            _ => return None,
        })
    }

    fn is(&self, field: Field) -> bool {
        matches!(self, Self::Digits(own, ..) if *own == field)
    }
}

impl Field {
    fn set(self, value: i16, parts: &mut Parts) -> Option<()> {
        match self {
            Self::Year => parts.year = value,
            // As POSIX has it: 69 to 99 are of the last century.
            Self::ShortYear => parts.year = if value < 69 { 2_000 + value } else { 1_900 + value },
            Self::Month => parts.month = value,
            Self::Day => parts.day = value,
            Self::Hour => parts.hour = value,
            Self::HalfDayHour => parts.hour = (1..=12).contains(&value).then_some(value)?,
            Self::Minute => parts.minute = value,
            Self::Second => parts.second = value,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn pattern(pattern: &str, text: &str) -> Option<Read> {
        Pattern::new(pattern).unwrap().read(text.as_bytes())
    }

    #[test]
    fn patterns_read_what_fits_them() {
        let day = date(2026, 8, 9).at(0, 0, 0, 0);
        for (form, text, expected) in [
            ("%m/%d/%Y", "08/09/2026", day),
            ("%m/%d/%Y", "8/9/2026", day),
            ("%m/%d/%y", "8/9/26", day),
            ("%Y%m%d", "20260809", day),
            ("%d-%b-%Y", "09-AUG-2026", day),
            ("%m/%d/%Y %I:%M:%S %p", "8/9/2026 12:00:00 AM", day),
            ("%Y-%m-%d %H:%M:%S.%f", "2026-08-09 00:00:00.000", day),
            ("%m/%d/%Y %I:%M %p", "8/9/2026 12:30 pm", date(2026, 8, 9).at(12, 30, 0, 0)),
            ("%Y%m%d%H%M%S", "20260809174500", date(2026, 8, 9).at(17, 45, 0, 0)),
            ("%Y-%m-%dT%H:%M%z", "2026-08-09T02:00+0200", day),
            ("100%% %d %m %Y", "100% 9 8 2026", day),
        ] {
            assert_eq!(pattern(form, text).map(|(at, _)| at), Some(expected), "{form} {text}");
        }
    }

    #[test]
    fn patterns_refuse_what_could_mean_two_times() {
        for (form, text) in [
            ("%Y%m%d", "2026111"),
            ("%d-%m%Y", "9-82026"),
            ("%Y%m%d", "202608091"),
            ("%m/%d/%Y", "08/09/26"),
            ("%m/%d/%Y", "08/09/2026 "),
            ("%m/%d/%y", "08/09/2026"),
            ("%m/%d/%Y", "13/09/2026"),
            ("%d%m %Y", "111 2026"),
            ("%d-%b-%Y", "09-AUX-2026"),
            ("%m/%d/%Y %I:%M %p", "8/9/2026 13:30 pm"),
            ("%m/%d/%Y %I:%M %p", "8/9/2026 0:30 am"),
        ] {
            assert_eq!(pattern(form, text), None, "{form} {text}");
        }
    }

    #[test]
    fn patterns_that_do_not_make_a_time_are_refused() {
        for text in [
            "",
            "%Y",
            "%Y-%m",
            "%Y-%m-%d %d",
            "%Y-%y-%m-%d",
            "%Y-%m-%b-%d",
            "%Y-%m-%d %M",
            "%Y-%m-%d %H:%S",
            "%Y-%m-%d %H:%M.%f",
            "%Y-%m-%d %H %H",
            "%Y-%m-%d %I:%M",
            "%Y-%m-%d %H:%M %p",
            "%Y-%m-%d %z",
            "%Y-%m-%d %",
            "%Y-%m-%d %A",
            "%Y-%m-%d\n",
            "%Y-%m-%d é",
        ] {
            assert!(Pattern::new(text).is_err(), "{text}");
        }
        assert!(Pattern::new(&format!("%Y-%m-%d{}", " ".repeat(60))).is_err());
    }
}
