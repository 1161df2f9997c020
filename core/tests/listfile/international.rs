//! Numbers of all countries, in every format.

use dnc_core::listfile::{Columns, Layout, LineError, ListFileError, Mapping, NumberColumns, Options, Position};

use super::{bad_lines, changes_with, entries, numbers, reading_with};

const SINGAPORE: u64 = 6_555_550_100;
const LONDON: u64 = 442_055_550_100;

fn of_country(default_country: u16, national_digits: Option<u8>) -> Options {
    Options { default_country, national_digits, ..Options::default() }
}

fn one_column(country: Option<u16>) -> Mapping {
    Mapping {
        layout: Layout::Delimited { delimiter: b';', quoted: false },
        skip_lines: 0,
        columns: Columns {
            number: NumberColumns::Whole(Position::Column(1)),
            country: country.map(Position::Column),
            time: None,
            action: None,
        },
    }
}

#[test]
fn a_plus_sign_and_a_country_code_are_read_in_every_format() {
    for content in [
        "+6555550100\n+442055550100\n",
        "phone\n+65 5555 0100\n+44 20 5555 0100\n",
        "<list><ph val='+6555550100'/><ph val='+442055550100'/></list>",
    ] {
        assert_eq!(numbers("list", content), [SINGAPORE, LONDON], "{content}");
    }
    let content = "+6555550100,2026-11-10,A\n+442055550100,2026-11-10,D\n";
    let changes = changes_with("list", content, &Options::default()).unwrap();
    assert_eq!([changes[0].0, changes[1].0], [SINGAPORE, LONDON]);
    let mapped = Options { mapping: Some(one_column(None)), ..Options::default() };
    assert_eq!(reading_with("list", "+6555550100;x\n+44 20 5555 0100;y\n", &mapped).unwrap().1, [SINGAPORE, LONDON]);
}

#[test]
fn national_digits_are_read_in_every_format_where_the_country_is_given() {
    let singapore = of_country(65, None);
    for content in [
        "55550100\n6555550100\n",
        "phone\n5555 0100\n65 5555 0100\n",
        "<list><ph val='55550100'/><ph val='6555550100'/></list>",
    ] {
        assert_eq!(reading_with("list", content, &singapore).unwrap().1, [SINGAPORE; 2], "{content}");
    }
    let changes = changes_with("list", "55550100,2026-11-10,A\n6555550100,2026-11-10,D\n", &singapore).unwrap();
    assert_eq!([changes[0].0, changes[1].0], [SINGAPORE; 2]);
    let mapped = Options { mapping: Some(one_column(None)), ..singapore };
    assert_eq!(reading_with("list", "5555-0100;x\n", &mapped).unwrap().1, [SINGAPORE]);
}

#[test]
fn the_length_of_national_numbers_is_given_or_known_or_refused() {
    let content = "155501001\n";
    assert_eq!(bad_lines(reading_with("list", content, &of_country(353, None))), [(1, LineError::CountryMissing)]);
    assert_eq!(reading_with("list", content, &of_country(353, Some(9))).unwrap().1, [353_155_501_001]);
    // Short numbers of small countries are no local numbers without an area.
    let short = "<list><ph val='555010'/></list>";
    assert_eq!(reading_with("list", short, &of_country(500, Some(6))).unwrap().1, [500_555_010]);
    let nowhere = reading_with("list", content, &of_country(1, Some(9)));
    assert!(matches!(nowhere, Err(ListFileError::DefaultCountry)));
}

#[test]
fn a_column_may_name_the_country_of_each_line() {
    let options = Options { mapping: Some(one_column(Some(2))), ..Options::default() };
    let content = "2015550100;1\n55550100;65\n+65 5555 0100;+65\n20 5555 0100;44\n155501001;353\n+353155501001;353\n";
    let expected = [12_015_550_100, SINGAPORE, SINGAPORE, LONDON, 353_155_501_001, 353_155_501_001];
    assert_eq!(reading_with("list", content, &options).unwrap().1, expected);
    let content = "2015550100;0\n2015550100;US\n2015550100;\n55550100;065\n+442055550100;65\n6581234567;353\n\
                   353155501001;353\n0155501001;353\n55550100;1\n55550100;650\n55550100\n";
    let expected = [
        (1, LineError::Country),
        (2, LineError::Country),
        (3, LineError::Country),
        (4, LineError::Country),
        (5, LineError::OtherCountry),
        // Could be this country's or another's: only its length would tell.
        (7, LineError::CountryMissing),
        (8, LineError::TrunkPrefix),
        (9, LineError::TooFewDigits),
        (10, LineError::Country),
        (11, LineError::Columns),
    ];
    assert_eq!(bad_lines(reading_with("list", content, &options)), expected);
}

#[test]
fn a_number_in_two_columns_may_be_of_any_country() {
    let mapping = Mapping {
        columns: Columns {
            number: NumberColumns::Parts { area_code: Position::Column(1), local: Position::Column(2) },
            country: Some(Position::Column(3)),
            time: None,
            action: None,
        },
        ..one_column(None)
    };
    let options = Options { mapping: Some(mapping), ..Options::default() };
    let content = "201;555-0100;1\n20;5555 0100;44\n1;55501001;353\n";
    let (_, entries) = entries("list", content, &options).unwrap();
    let numbers: Vec<u64> = entries.into_iter().map(|entry| entry.number().to_u64()).collect();
    assert_eq!(numbers, [12_015_550_100, LONDON, 353_155_501_001]);
    let content = "20;1555010;1\n020;55550100;44\n4420;55550100;44\n;2055550100;44\n20;;44\n020;5550100;44\n";
    let expected = [
        (1, LineError::TooFewDigits),
        (2, LineError::TooManyDigits),
        (3, LineError::TooManyDigits),
        (4, LineError::Missing),
        (5, LineError::Missing),
        (6, LineError::TrunkPrefix),
    ];
    assert_eq!(bad_lines(reading_with("list", content, &options)), expected);
}
