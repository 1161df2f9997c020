//! Arbitrary mappings: mostly ones that can be used, for others are refused before anything is read.

use arbitrary::Arbitrary;
use dnc_core::listfile::{ActionColumn, Columns, Layout, Mapping, NumberColumns, Position, TimeColumn, TimeFormat};

use crate::content::Row;

const DELIMITERS: [u8; 8] = *b",|;\t -^\"";
const WORDS: [&str; 8] = ["A", "D", "ADD", "DEL", "1", "0", "a", ""];
const PATTERNS: [&str; 6] =
    ["%m/%d/%Y", "%Y%m%d", "%d-%b-%y", "%m/%d/%Y %I:%M %p", "%Y-%m-%d %H:%M:%S.%f", "%Y%m%d%H%M%S%z"];

/// What a mapping is made of.
#[derive(Arbitrary, Debug)]
pub struct AnyMapping {
    delimiter: Option<(u8, bool)>,
    skip_lines: u8,
    whole: bool,
    /// Of the number, of its second part, the country, the time and the action.
    places: [(u8, u8); 5],
    has_country: bool,
    time: Option<u8>,
    pattern: Option<String>,
    words: Option<Vec<(u8, bool)>>,
    /// The words of the national list instead.
    usual_words: bool,
}

impl AnyMapping {
    /// The mapping.
    pub fn build(&self) -> Mapping {
        let layout = match self.delimiter {
            Some((at, quoted)) => {
                Layout::Delimited { delimiter: DELIMITERS[usize::from(at) % DELIMITERS.len()], quoted }
            }
            None => Layout::FixedWidth,
        };
        let place = |at: usize| match (layout, self.places[at]) {
            (Layout::Delimited { .. }, (column, _)) => Position::Column(u16::from(column % 8)),
            (Layout::FixedWidth, (start, length)) => {
                Position::Span { start: u16::from(start % 32), length: u16::from(length % 16) }
            }
        };
        let number = match self.whole {
            true => NumberColumns::Whole(place(0)),
            false => NumberColumns::Parts { area_code: place(0), local: place(1) },
        };
        let format = |at: u8| match (usize::from(at).checked_sub(1), &self.pattern) {
            (None, _) => TimeFormat::Iso,
            (Some(_), Some(pattern)) => TimeFormat::Pattern(pattern.clone()),
            (Some(at), None) => TimeFormat::Pattern(PATTERNS[at % PATTERNS.len()].into()),
        };
        let words = |words: &[(u8, bool)], add: bool| {
            if self.usual_words {
                return vec![if add { "A".to_owned() } else { "D".to_owned() }];
            }
            let of = words.iter().filter(|(_, is_add)| *is_add == add);
            of.map(|(at, _)| WORDS[usize::from(*at) % WORDS.len()].to_owned()).collect()
        };
        let columns = Columns {
            number,
            country: self.has_country.then(|| place(2)),
            time: self.time.map(|at| TimeColumn { at: place(3), format: format(at) }),
            action: self.words.as_ref().map(|all| ActionColumn {
                at: place(4),
                add: words(all, true),
                delete: words(all, false),
            }),
        };
        Mapping { layout, skip_lines: u16::from(self.skip_lines % 4), columns }
    }
}

/// The rows as a mapping lays them out; nothing, if it has no room for them or does not know their words.
pub fn write(mapping: &Mapping, rows: &[Row]) -> Option<Vec<u8>> {
    let mut content = b"head\n".repeat(usize::from(mapping.skip_lines));
    for row in rows {
        let mut cells = Vec::new();
        let national = row.national();
        match mapping.columns.number {
            NumberColumns::Whole(at) => cells.push((at, national)),
            NumberColumns::Parts { area_code, local } => {
                cells.push((area_code, national[..3].to_owned()));
                cells.push((local, national[3..].to_owned()));
            }
        }
        cells.extend(mapping.columns.country.map(|at| (at, "1".to_owned())));
        match &mapping.columns.time {
            Some(TimeColumn { at, format: TimeFormat::Iso }) => cells.push((*at, row.day())),
            Some(TimeColumn { format: TimeFormat::Pattern(_), .. }) => return None,
            None => {}
        }
        if let Some(action) = &mapping.columns.action {
            let words = if row.add { &action.add } else { &action.delete };
            cells.push((action.at, words.first()?.clone()));
        }
        content.extend(line(mapping.layout, &cells)?);
        content.push(b'\n');
    }
    Some(content)
}

fn line(layout: Layout, cells: &[(Position, String)]) -> Option<Vec<u8>> {
    match layout {
        Layout::Delimited { delimiter, quoted } => {
            let mut columns = vec![if quoted { "\"x\"".to_owned() } else { "x".to_owned() }; 9];
            for (at, text) in cells {
                let Position::Column(at @ 1..) = at else { return None };
                columns[usize::from(*at) - 1] = text.clone();
            }
            Some(columns.join(&char::from(delimiter).to_string()).into_bytes())
        }
        Layout::FixedWidth => {
            let mut bytes = vec![b'x'; 64];
            for (at, text) in cells {
                let Position::Span { start: start @ 1.., length } = at else { return None };
                let (start, length) = (usize::from(*start) - 1, usize::from(*length));
                let place = &mut bytes[start..start + length];
                place.fill(b' ');
                place.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
            }
            Some(bytes)
        }
    }
}
