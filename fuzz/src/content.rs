//! Contents of files: arbitrary bytes, or lists that are well-formed but for a change here and there. Bytes alone seldom
//! become a list, and what is behind the first good line would never be met.

use arbitrary::Arbitrary;

/// What a file holds.
#[derive(Arbitrary, Debug)]
pub enum Content<'a> {
    Bytes(&'a [u8]),
    Lists { form: Form, mark: bool, crlf: bool, rows: Vec<Row>, damage: Option<(u16, u8)> },
}

#[derive(Arbitrary, Debug)]
pub enum Form {
    Flat,
    Digits,
    Change,
    Csv,
    Xml,
}

/// A number, a day and an action.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub struct Row {
    number: u32,
    day: u8,
    pub add: bool,
}

impl Content<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        let (form, mark, crlf, rows, damage) = match self {
            Self::Bytes(bytes) => return bytes.to_vec(),
            Self::Lists { form, mark, crlf, rows, damage } => (form, mark, crlf, rows, damage),
        };
        let end = if *crlf { "\r\n" } else { "\n" };
        let mut text = String::from(if *mark { "\u{feff}" } else { "" });
        match form {
            Form::Csv => text.push_str(&format!("name,phone{end}")),
            Form::Xml => text.push_str(&format!("<list><ac val='201'>{end}")),
            _ => {}
        }
        for row in rows {
            let (national, day) = (row.national(), row.day());
            let action = if row.add { 'A' } else { 'D' };
            let line = match form {
                Form::Flat => format!("{},{}", &national[..3], &national[3..]),
                Form::Digits => national,
                Form::Change => format!("{national},{day},{action}"),
                Form::Csv => format!("\"{day}, {action}\",{national}"),
                Form::Xml => format!("<ph val='{}' />", &national[3..]),
            };
            text.push_str(&line);
            text.push_str(end);
        }
        if matches!(form, Form::Xml) {
            text.push_str("</ac></list>");
        }
        let mut bytes = text.into_bytes();
        if let Some((at, mask)) = damage
            && !bytes.is_empty()
        {
            let at = usize::from(*at) % bytes.len();
            bytes[at] ^= mask;
        }
        bytes
    }
}

impl Row {
    /// Ten digits. Few numbers, so that many are repeated.
    pub fn national(self) -> String {
        format!("201555{:04}", self.number % 10_000)
    }

    pub fn day(self) -> String {
        format!("202611{:02}", 1 + self.day % 30)
    }
}
