//! Tables.

use dnc_core::listfile::{Format, LineError, ListFileError, Options};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{bad_lines, numbers, reading, reading_with};

const A: u64 = 12_015_550_100;
const B: u64 = 12_015_550_101;

#[test]
fn the_column_is_found_by_its_name() {
    for name in ["phone", "phone_number", "number", "telephone", "mobile", "Phone Numbers", "telephone-number"] {
        for header in [
            name.to_owned(),
            name.to_uppercase(),
            name.replace('_', " "),
            name.replace('_', ""),
            format!("\"{name}\""),
            format!(" {name} "),
        ] {
            assert_eq!(numbers("list.csv", format!("{header},name\n2015550100,a\n2015550101,b\n")), [A, B], "{header}");
            assert_eq!(numbers("list.csv", format!("id;{header}\n1;2015550100\n2;2015550101\n")), [A, B], "{header}");
            let content = format!("\u{feff}{header}\n2015550100\n2015550101\n");
            assert_eq!(numbers("list.csv", content), [A, B], "{header}");
            assert_eq!(numbers("list.csv", format!("{header}\r\n2015550100\r\n\r\n2015550101")), [A, B], "{header}");
        }
    }
}

#[test]
fn a_column_of_another_name_is_not_guessed() {
    for header in ["phones_called", "faxnumber", "phone2", "cell", "contact"] {
        let content = format!("{header},name\n2015550100,a\n");
        assert!(matches!(reading("list.csv", content), Err(ListFileError::UnknownFormat { .. })), "{header}");
    }
}

#[test]
fn a_table_of_changes_needs_a_mapping() {
    for header in ["phone,timestamp,action", "Phone;Change_Type", "\"Phone Numbers\",\"Opstype\""] {
        let content = format!("{header}\n2015550143,2026-11-10,A\n");
        let error = reading("list.csv", content).unwrap_err();
        assert!(matches!(error, ListFileError::ChangeList { .. }), "{error:?}");
        assert!(error.to_string().contains("use a mapping"), "{error}");
    }
}

#[test]
fn other_columns_and_delimiters_do_not_matter() {
    assert_eq!(numbers("list.csv", "id;phone;name\n1;2015550100;\"a;b\"\n2;201-555-0101;\n"), [A, B]);
    assert_eq!(numbers("list.csv", b"name\tphone\n\xe9\t2015550100\n\"x\"\"y\"\t2015550101\n"), [A, B]);
}

#[test]
fn two_possible_columns_are_refused_until_one_is_named() {
    let content = "phone,mobile\n2015550100,2015550101\n";
    assert!(matches!(reading("list.csv", content), Err(ListFileError::Column { found: 2, .. })));
    let named = |column: &str| Options { csv_column: Some(column.into()), ..Options::default() };
    assert_eq!(reading_with("list.csv", content, &named("Mobile")).unwrap().1, [B]);
    let explicit = Options { format: Some(Format::Csv), ..named("fax") };
    assert!(matches!(reading_with("list.csv", content, &explicit), Err(ListFileError::Column { found: 0, .. })));
}

#[test]
fn a_stray_quote_does_not_swallow_the_lines_behind_it() {
    let content = "phone,name\n2015550100,\"a\n2015550101,b\n2015550102,\"c\n";
    assert_eq!(bad_lines(reading("list.csv", content)), [(2, LineError::OpenQuote), (4, LineError::OpenQuote)]);
}

#[test]
fn bad_rows_are_named_with_their_line() {
    let content = "name,phone\na\nb,\n\nc,2.01555E+09\nd,201555010\ne,2015550100\nf,1201555010";
    let expected =
        [(2, LineError::Columns), (3, LineError::Missing), (5, LineError::NotDigits), (6, LineError::TooFewDigits)];
    assert_eq!(bad_lines(reading("list.csv", content)), expected);
    let content = "name,phone\na,12015550100\nb,1201555010";
    assert_eq!(bad_lines(reading("list.csv", content)), [(3, LineError::CutOff)]);
}

#[test]
fn a_table_without_rows_is_empty() {
    assert!(matches!(reading("list.csv", "phone,name\n"), Err(ListFileError::Empty { .. })));
}

proptest! {
    #[test]
    fn what_is_written_is_read(rows in vec((0_u64..10_000_000_000, "[a-z,\" ;é]{0,12}"), 1..100)) {
        let mut content = String::from("name,phone,note\n");
        for (value, text) in &rows {
            let quoted = text.replace('"', "\"\"");
            content.push_str(&format!("\"{quoted}\",{value:010},\"{quoted}\"\n"));
        }
        let expected: Vec<u64> = rows.iter().map(|(value, _)| 10_000_000_000 + value).collect();
        prop_assert_eq!(numbers("list.csv", content), expected);
    }
}
