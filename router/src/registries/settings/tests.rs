use super::*;

type Given = v1::RegistrySettings;

fn over(base: &Settings, given: &Given) -> Result<Settings, Invalid> {
    lay_over(base, given, RegistryKind::State)
}

fn fetched() -> Settings {
    let given = Given {
        jurisdiction: Some("TX".into()),
        url: Some("https://lists.example/tx".into()),
        lookup_url: Some("https://lists.example/one?n={number}".into()),
        ..Given::default()
    };
    over(&Settings::default(), &given).expect("settings")
}

#[test]
fn what_is_not_given_stays_and_what_is_given_counts() {
    let base = fetched();
    assert_eq!(over(&base, &Given::default()).expect("the same"), base);
    let mapping = r#"{"columns": {"number": {"whole": {"column": 2}}},
        "layout": {"delimited": {"quoted": false, "delimiter": "|"}}}"#;
    let given = Given {
        enabled: Some(false),
        max_age_days: Some(28),
        keep_versions: Some(5),
        shrink: Some(v1::Percent { limit: Some(5) }),
        growth: Some(v1::Percent { limit: None }),
        purchase_months: Some(12),
        format: Some("mapped".into()),
        mapping: Some(mapping.into()),
        default_country: Some(65),
        national_digits: Some(8),
        rate_limit: Some(2),
        ..Given::default()
    };
    let changed = over(&base, &given).expect("settings");
    assert!(!changed.enabled);
    assert_eq!((changed.max_age_days, changed.keep_versions, changed.rate_limit), (28, 5, 2));
    assert_eq!(changed.guard, Guard { shrink_percent: Some(5), growth_percent: None });
    assert_eq!(changed.exemption_months, Months { purchase: 12, inquiry: 3 });
    let normal = concat!(
        r#"{"layout":{"delimited":{"delimiter":"|","quoted":false}},"skip_lines":0,"#,
        r#""columns":{"number":{"whole":{"column":2}},"country":null,"time":null,"action":null}}"#
    );
    assert_eq!(changed.reading.mapping, normal);
    assert_eq!((changed.reading.default_country, changed.reading.national_digits), (65, Some(8)));
    assert_eq!(changed.fetch, base.fetch);
}

#[test]
fn what_begins_to_be_fetched_gets_the_usual_schedule_and_what_ends_loses_it() {
    let base = fetched();
    let usual = base.schedule.clone().expect("a schedule");
    assert_eq!((usual.cron.as_str(), usual.time_zone.as_str()), ("0 3 * * *", "America/Chicago"));
    let never = Given { schedule: Some(v1::Schedule::default()), ..Given::default() };
    let by_hand = over(&base, &never).expect("settings");
    assert_eq!(by_hand.schedule, None);
    let moved = Given { url: Some("https://lists.example/other".into()), ..Given::default() };
    assert_eq!(over(&by_hand, &moved).expect("settings").schedule, None);
    let ended = over(&base, &Given { url: Some(String::new()), ..Given::default() }).expect("settings");
    assert_eq!((ended.fetch, ended.schedule), (None, None));
}

#[test]
fn every_bad_field_is_refused_by_its_name() {
    let schedule = |cron: &str, time_zone: &str| Some(v1::Schedule { cron: cron.into(), time_zone: time_zone.into() });
    let percent = |limit| Some(v1::Percent { limit: Some(limit) });
    let url = |url: &str| Given { url: Some(url.into()), ..Given::default() };
    let lookup = |lookup: &str| Given { lookup_url: Some(lookup.into()), ..url("https://a.example/") };
    for (field, given) in [
        ("jurisdiction", Given { jurisdiction: Some("x".repeat(65)), ..Given::default() }),
        ("max_age_days", Given { max_age_days: Some(0), ..Given::default() }),
        ("max_age_days", Given { max_age_days: Some(367), ..Given::default() }),
        ("max_age_days", Given { max_age_days: Some(65_536 + 31), ..Given::default() }),
        ("keep_versions", Given { keep_versions: Some(0), ..Given::default() }),
        ("keep_versions", Given { keep_versions: Some(21), ..Given::default() }),
        ("guard.shrink_percent", Given { shrink: percent(101), ..Given::default() }),
        ("guard.growth_percent", Given { growth: percent(1_000_001), ..Given::default() }),
        ("exemption_months.purchase", Given { purchase_months: Some(121), ..Given::default() }),
        ("exemption_months.inquiry", Given { inquiry_months: Some(121), ..Given::default() }),
        ("reading.format", Given { format: Some("pdf".into()), ..Given::default() }),
        ("reading.mapping", Given { mapping: Some("{".into()), ..Given::default() }),
        ("reading.mapping", Given { mapping: Some("[]".into()), ..Given::default() }),
        ("reading.mapping", Given { mapping: Some(r#"{"a": 1}"#.into()), ..Given::default() }),
        ("reading.csv_column", Given { csv_column: Some("x".repeat(129)), ..Given::default() }),
        ("reading.default_country", Given { default_country: Some(0), ..Given::default() }),
        ("reading.national_digits", Given { national_digits: Some(3), ..Given::default() }),
        ("rate_limit", Given { rate_limit: Some(0), ..Given::default() }),
        ("url", url("ftp://a.example/")),
        ("url", url("https://")),
        ("url", url("https://a.example/a b")),
        ("url", url("https://me:secret@a.example/")),
        ("url", url("file://lists")),
        ("url", url("lists")),
        ("lookup_url", lookup("https://a.example/one")),
        ("lookup_url", lookup("https://{number}.example/")),
        ("lookup_url", lookup("file:///{number}")),
        ("lookup_url", Given { lookup_url: Some("https://a.example/{number}".into()), ..Given::default() }),
        ("api_key", Given { api_key: Some("key".into()), ..Given::default() }),
        ("schedule", Given { schedule: schedule("0 2 * * *", "America/New_York"), ..Given::default() }),
        ("schedule.cron", Given { schedule: schedule("0 2 * *", "America/New_York"), ..url("s3://bucket/x") }),
        ("schedule.time_zone", Given { schedule: schedule("0 2 * * *", "Nowhere"), ..url("sftp://me@host/x") }),
    ] {
        let why = over(&Settings::default(), &given).expect_err(field);
        assert_eq!(why.field, field, "{why}");
        assert!(!why.to_string().contains("secret@"), "{why}");
    }
    let live = lay_over(&Settings::default(), &url("https://a.example/"), RegistryKind::Internal);
    assert_eq!(live.expect_err("live").field, "url");
}

#[test]
fn a_key_is_noticed_to_move_when_the_host_changes_and_not_when_the_path_does() {
    let fetch = |url: &str, lookup_url: &str| Fetch { url: url.into(), lookup_url: lookup_url.into(), key: None };
    let before = fetch("https://a.example/x", "");
    assert!(!moves(&before, &fetch("https://a.example/y", "https://a.example/{number}")));
    assert!(moves(&before, &fetch("http://a.example/x", "")));
    assert!(moves(&before, &fetch("https://b.example/x", "")));
    assert!(moves(&before, &fetch("https://a.example:444/x", "")));
    assert!(moves(&before, &fetch("https://a.example.evil/x", "")));
    assert!(moves(&before, &fetch("https://a.example/x", "https://b.example/{number}")));
}
