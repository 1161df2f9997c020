//! How large what a command brings may be. Looked at while a command is applied, alike on every
//! replica: a record that the store would not take stops all replicas for good, so it is refused
//! before it gets there. Pure.

use std::collections::BTreeMap;

use dnc_core::command::ShardRefusal;
use dnc_core::counts::Counts;
use dnc_core::exemption::Exemption;
use dnc_core::suppression::{MAX_METADATA, MAX_TEXT, Removal, Scope, Suppression};

/// Most suppressions of one tenant for one number in one registry, and most exemptions of one tenant for one number.
pub const MAX_ENTRIES: usize = 64;

/// Most suppressions and exemptions that stand for one number, of all tenants together: what a check reads and sends for it.
pub const MAX_STANDING: usize = 4_096;

/// Most versions that one is made from, and most that a prune keeps.
pub const MAX_VERSIONS: usize = 10_000;

/// Most words under which one day's counters count, and the longest of them, bytes.
const MAX_WORDS: usize = 256;
const MAX_WORD: usize = 64;

/// More than this was never counted in one go; and a day that has more than this takes no more.
const MAX_COUNT: u64 = 1 << 40;
const MAX_SUM: u64 = 1 << 62;

/// Whether a suppression fits.
pub fn suppression(suppression: &Suppression) -> Result<(), ShardRefusal> {
    let Suppression {
        id: _,
        tenant: _,
        scope,
        origin: _,
        reason,
        source,
        added_by,
        added_ms: _,
        consumer_name,
        notes,
        expires_ms: _,
        verified_ms: _,
        metadata,
    } = suppression;
    let scope = match scope {
        Scope::Tenant => "",
        Scope::Brand(name) | Scope::Campaign(name) => name,
    };
    texts(&[scope, reason, source, added_by, consumer_name, notes])?;
    let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes <= MAX_METADATA { Ok(()) } else { Err(ShardRefusal::TooLarge) }
}

/// Whether an exemption fits.
pub fn exemption(exemption: &Exemption) -> Result<(), ShardRefusal> {
    let Exemption {
        id: _,
        tenant: _,
        ground: _,
        since: _,
        expires_ms: _,
        proof,
        proof_sha256,
        notes,
        granted_by,
        granted_ms: _,
    } = exemption;
    texts(&[proof, proof_sha256, notes, granted_by])
}

/// Whether the words about a removal fit.
pub fn removal(removal: &Removal) -> Result<(), ShardRefusal> {
    let Removal { request: _, reason, removed_by, removed_ms: _ } = removal;
    texts(&[reason, removed_by])
}

/// Whether counters can be added to those of a day: neither too many words nor an overflow.
pub fn counts(of_day: &Counts, more: &Counts) -> Result<(), ShardRefusal> {
    let known = |words: &BTreeMap<String, u64>, more: &BTreeMap<String, u64>| {
        let new = more.keys().filter(|word| !words.contains_key(*word)).count();
        words.len() + new <= MAX_WORDS && more.keys().all(|word| word.len() <= MAX_WORD)
    };
    let fits = known(&of_day.unknown, &more.unknown)
        && known(&of_day.reasons, &more.reasons)
        && numbers(more).all(|count| count <= MAX_COUNT)
        && numbers(of_day).all(|sum| sum <= MAX_SUM);
    if fits { Ok(()) } else { Err(ShardRefusal::TooLarge) }
}

/// Whether the counters of a whole day are such as come of additions.
pub fn day(counts: &Counts) -> Result<(), ShardRefusal> {
    let known =
        |words: &BTreeMap<String, u64>| words.len() <= MAX_WORDS && words.keys().all(|word| word.len() <= MAX_WORD);
    let fits =
        known(&counts.unknown) && known(&counts.reasons) && numbers(counts).all(|sum| sum <= MAX_SUM + MAX_COUNT);
    if fits { Ok(()) } else { Err(ShardRefusal::TooLarge) }
}

/// Whether a list of versions fits.
pub fn versions<T>(versions: &[T]) -> Result<(), ShardRefusal> {
    if versions.len() <= MAX_VERSIONS { Ok(()) } else { Err(ShardRefusal::TooLarge) }
}

fn texts(texts: &[&str]) -> Result<(), ShardRefusal> {
    if texts.iter().all(|text| text.len() <= MAX_TEXT) { Ok(()) } else { Err(ShardRefusal::TooLarge) }
}

/// Every counter.
fn numbers(counts: &Counts) -> impl Iterator<Item = u64> + '_ {
    let Counts {
        checks,
        clear,
        listed,
        unknown,
        reasons,
        exempted,
        errors,
        micros,
        requests,
        suppressions_added,
        suppressions_removed,
    } = counts;
    let plain = [checks, clear, listed, exempted, errors, micros, requests, suppressions_added, suppressions_removed];
    plain.into_iter().chain(unknown.values()).chain(reasons.values()).copied()
}

#[cfg(test)]
mod tests {
    use dnc_consensus::PAIR_BYTES_MAX;
    use dnc_core::codec;
    use dnc_core::command::Seal;
    use dnc_core::exemption::Ground;
    use dnc_core::ids::{RequestId, TenantId, VersionId};
    use dnc_core::suppression::Origin;

    use super::super::versions::{Mark, MarkState};
    use super::*;

    fn text() -> String {
        "x".repeat(MAX_TEXT)
    }

    /// The largest that fits: the longest texts, and metadata of as many short pairs as there can be.
    fn largest() -> Suppression {
        let mut metadata = BTreeMap::new();
        let mut bytes = 0;
        for key in (0u32..).filter_map(char::from_u32).map(String::from) {
            bytes += key.len();
            if bytes > MAX_METADATA {
                break;
            }
            metadata.insert(key, String::new());
        }
        Suppression {
            scope: Scope::Brand(text()),
            reason: text(),
            source: text(),
            added_by: text(),
            added_ms: u64::MAX,
            consumer_name: text(),
            notes: text(),
            expires_ms: Some(u64::MAX),
            metadata,
            ..Suppression::new(RequestId(u128::MAX), TenantId(u32::MAX), Origin::Company, u64::MAX)
        }
    }

    fn gone() -> Removal {
        Removal { request: Some(RequestId(u128::MAX)), reason: text(), removed_by: text(), removed_ms: u64::MAX }
    }

    #[test]
    fn nothing_that_is_let_in_is_more_than_the_store_takes() {
        let (largest, gone) = (largest(), gone());
        assert_eq!((suppression(&largest), removal(&gone)), (Ok(()), Ok(())));
        assert!(codec::encode(&(&largest, &gone)).len() < PAIR_BYTES_MAX / 64);

        let exempt = Exemption {
            id: RequestId(u128::MAX),
            tenant: TenantId(u32::MAX),
            ground: Ground::Consent,
            since: jiff::civil::date(9_999, 12, 31),
            expires_ms: Some(u64::MAX),
            proof: text(),
            proof_sha256: text(),
            notes: text(),
            granted_by: text(),
            granted_ms: u64::MAX,
        };
        assert_eq!(exemption(&exempt), Ok(()));
        assert!(codec::encode(&(&exempt, Some(&gone))).len() < PAIR_BYTES_MAX / 64);

        let line = vec![VersionId(u64::MAX); MAX_VERSIONS];
        assert_eq!(versions(&line), Ok(()));
        let seal = Seal { checksum: u64::MAX, numbers: u64::MAX };
        let mark = Mark { ancestry: line, state: MarkState::Sealed(seal) };
        assert!(codec::encode(&mark).len() < PAIR_BYTES_MAX / 4);

        let words = (0..MAX_WORDS).map(|at| (format!("{at:0>MAX_WORD$}"), MAX_SUM)).collect::<BTreeMap<_, _>>();
        let full = Counts { unknown: words.clone(), reasons: words, checks: MAX_SUM, ..Counts::default() };
        assert_eq!(counts(&full, &Counts::default()), Ok(()));
        assert!(codec::encode(&full).len() < PAIR_BYTES_MAX / 64);
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let long = Suppression { notes: "x".repeat(MAX_TEXT + 1), ..largest() };
        assert_eq!(suppression(&long), Err(ShardRefusal::TooLarge));
        let mut much = largest();
        much.metadata.insert("key".into(), "x".repeat(MAX_METADATA));
        assert_eq!(suppression(&much), Err(ShardRefusal::TooLarge));
        let scope = Suppression { scope: Scope::Campaign("x".repeat(MAX_TEXT + 1)), ..largest() };
        assert_eq!(suppression(&scope), Err(ShardRefusal::TooLarge));
        assert_eq!(removal(&Removal { reason: "x".repeat(MAX_TEXT + 1), ..gone() }), Err(ShardRefusal::TooLarge));
        assert_eq!(versions(&[(); MAX_VERSIONS + 1]), Err(ShardRefusal::TooLarge));
    }

    #[test]
    fn counters_that_would_overflow_or_count_under_too_many_words_are_refused() {
        let day = Counts { checks: MAX_SUM, ..Counts::default() };
        let mut most = Counts { checks: MAX_COUNT, ..Counts::default() };
        assert_eq!(counts(&day, &most), Ok(()));
        most.micros = MAX_COUNT + 1;
        assert_eq!(counts(&day, &most), Err(ShardRefusal::TooLarge));
        let over = Counts { listed: MAX_SUM + 1, ..Counts::default() };
        assert_eq!(counts(&over, &Counts::default()), Err(ShardRefusal::TooLarge));
        let words = (0..=MAX_WORDS).map(|at| (at.to_string(), 1)).collect();
        assert_eq!(counts(&day, &Counts { reasons: words, ..Counts::default() }), Err(ShardRefusal::TooLarge));
        let word = BTreeMap::from([("x".repeat(MAX_WORD + 1), 1)]);
        assert_eq!(counts(&day, &Counts { unknown: word, ..Counts::default() }), Err(ShardRefusal::TooLarge));
    }
}
