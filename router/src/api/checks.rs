//! Judges numbers: one, a bulk, or a batch of a stream. The one way from both APIs to the shards.

use std::sync::Arc;
use std::time::Duration;

use dnc_core::counts::Counts;
use dnc_core::number::{NumberError, PhoneNumber};
use dnc_core::verdict::{Cause, Judgement, Verdict};
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{Instrument, Level, debug};

use super::answer::Answer;
use super::caller::Caller;
use crate::cluster::Cluster;
use crate::judgement::SharedJudgement;
use crate::privacy::{log_key, masked};
use crate::report::counting::Counting;
use crate::route::{Checked, Judgements};
use crate::telemetry::Tally;

/// Judges numbers by a cluster.
#[derive(Clone)]
pub struct Checks<C> {
    cluster: C,
    /// Time for a check where the caller does not ask for less.
    deadline: Duration,
    counting: Counting,
}

/// Numbers judged together.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The catalog revision that judged all of them.
    pub revision: u64,
    /// When.
    pub checked_at: Timestamp,
    /// One for each number asked about, in that order.
    pub items: Vec<Result<Answer, NumberError>>,
}

/// Numbers judged together, in a form that takes a few bytes for each.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The catalog revision that judged all of them.
    pub revision: u64,
    /// When.
    pub checked_at: Timestamp,
    /// One for each number that is one, in the order asked.
    pub judgements: Judgements,
    /// What is wrong with the others, with their positions, ascending.
    pub errors: Vec<(usize, NumberError)>,
}

/// How many numbers have each judgement; in the last place, those that have none.
struct Count<'a> {
    judgements: &'a Judgements,
    numbers: Vec<u64>,
}

// === impl Checks ===

impl<C: Cluster> Checks<C> {
    /// Judges by this cluster.
    pub fn new(cluster: C, deadline: Duration) -> Self {
        Self { cluster, deadline, counting: Counting::default() }
    }

    /// Counts what is judged for the reports.
    pub fn counted_by(self, counting: Counting) -> Self {
        Self { counting, ..self }
    }

    /// Time for a check where the caller does not ask for less.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Judges one number.
    pub async fn one(&self, caller: &Caller, number: PhoneNumber, deadline: Instant) -> Answer {
        let mut judged = self.many(caller, vec![Ok(number)], deadline, "one").await;
        judged.items.pop().and_then(Result::ok).expect("one number gives one answer")
    }

    /// Judges numbers by one view. A number that is asked about twice is judged once.
    pub async fn many(
        &self,
        caller: &Caller,
        numbers: Vec<Result<PhoneNumber, NumberError>>,
        deadline: Instant,
        kind: &'static str,
    ) -> Judged {
        let started = Instant::now();
        let mut distinct: Vec<PhoneNumber> = numbers.iter().flatten().copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let (checked, span) = self.ask(caller, &distinct, deadline, kind).await;
        let (judgements, checked_at, revision) = (&checked.judgements, now(), checked.view.revision);
        let mut count = Count::of(judgements);
        let unavailable = Arc::new(SharedJudgement::from(Judgement::unavailable()));
        let mut judged = |number: PhoneNumber| {
            let place = distinct.binary_search(&number).ok().and_then(|at| judgements.place(at));
            count.judged(place);
            let judged = place.and_then(|place| judgements.distinct().get(place)).unwrap_or(&unavailable);
            Answer { number, judged: Arc::clone(judged), revision, checked_at }
        };
        let items: Vec<_> = numbers.into_iter().map(|number| number.map(&mut judged)).collect();
        let errors = items.iter().filter(|item| item.is_err()).count();
        self.count(caller, count, errors, started);
        span.in_scope(|| {
            self.log(revision, items.iter().map(|item| item.as_ref().map(|answer| (answer.number, answer.verdict()))))
        });
        Judged { revision, checked_at, items }
    }

    /// Judges numbers by one view and says which judgements they share; without a string or an allocation for each.
    pub async fn packed(&self, caller: &Caller, digits: &[u64], deadline: Instant) -> Packed {
        let started = Instant::now();
        let mut errors = Vec::new();
        let mut numbers = Vec::with_capacity(digits.len());
        for (at, digits) in digits.iter().enumerate() {
            match PhoneNumber::asked(*digits) {
                Ok(number) => numbers.push(number),
                Err(error) => errors.push((at, error)),
            }
        }
        let (mut checked, span) = self.ask(caller, &numbers, deadline, "packed").await;
        if checked.judgements.len() != numbers.len() {
            checked.judgements = numbers.iter().map(|_| Judgement::unavailable()).collect();
        }
        let (judgements, revision) = (checked.judgements, checked.view.revision);
        let mut count = Count::of(&judgements);
        (0..numbers.len()).for_each(|at| count.judged(judgements.place(at)));
        self.count(caller, count, errors.len(), started);
        let verdict = |at| judgements.get(at).map_or(Verdict::Unknown(Cause::Unavailable), |judged| judged.verdict());
        let valid = numbers.iter().enumerate().map(|(at, number)| Ok((*number, verdict(at))));
        span.in_scope(|| self.log(revision, valid.chain(errors.iter().map(|(_, error)| Err(error)))));
        Packed { revision, checked_at: now(), judgements, errors }
    }

    /// Asks the cluster, if there is anything to ask.
    async fn ask(
        &self,
        caller: &Caller,
        numbers: &[PhoneNumber],
        deadline: Instant,
        kind: &'static str,
    ) -> (Checked, tracing::Span) {
        let known = self.cluster.known();
        let key = log_key(&known.catalog);
        let span = caller.span(kind, key);
        if numbers.is_empty() {
            return (Checked { view: Arc::clone(&known.view), judgements: Judgements::default() }, span);
        }
        let request_id = masked(&caller.request_id, key);
        let asked = self.cluster.check(numbers, &caller.asker, &request_id, deadline);
        (asked.instrument(span.clone()).await, span)
    }

    /// Counts what was judged, for metrics and for reports.
    fn count(&self, caller: &Caller, count: Count<'_>, errors: usize, started: Instant) {
        let took = started.elapsed();
        let (mut tally, mut counts) = (Tally::default(), Counts::default());
        let unavailable = Judgement::unavailable();
        let judged = count.judgements.distinct().iter().map(|judged| judged.judgement()).chain([&unavailable]);
        for (judgement, numbers) in judged.zip(count.numbers).filter(|(_, numbers)| *numbers > 0) {
            tally.add(Some(judgement.verdict), numbers);
            counts.judged(judgement, numbers);
        }
        counts.errors = errors as u64;
        tally.add(None, counts.errors);
        tally.count(caller.api, took);
        counts.requests = 1;
        counts.micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counting.add(caller.asker.tenant, &counts);
    }

    /// Says what was asked and answered, for whoever turns the level up; numbers only by their HMAC.
    fn log<'a>(&self, revision: u64, items: impl Iterator<Item = Result<(PhoneNumber, Verdict), &'a NumberError>>) {
        if !tracing::enabled!(Level::DEBUG) {
            return;
        }
        let known = self.cluster.known();
        let Some(key) = log_key(&known.catalog) else {
            return;
        };
        for item in items {
            match item {
                Ok((number, verdict)) => {
                    debug!(number = key.of(number), %verdict, revision, "checked");
                }
                Err(error) => debug!(%error, "not a number"),
            }
        }
    }
}

// === impl Count ===

impl<'a> Count<'a> {
    fn of(judgements: &'a Judgements) -> Self {
        Self { judgements, numbers: vec![0; judgements.distinct().len() + 1] }
    }

    /// One more number has the judgement in this place, or none.
    fn judged(&mut self, place: Option<usize>) {
        let last = self.numbers.len() - 1;
        self.numbers[place.unwrap_or(last)] += 1;
    }
}

/// Now, to the millisecond: what answers show.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use dnc_core::tenant::DEFAULT_TENANT_ID;
    use dnc_core::verdict::{Asker, Verdict};

    use super::*;
    use crate::telemetry::Api;
    use crate::testing::{Fake, clear, listed, number};

    fn caller() -> Caller {
        Caller::new(Api::Grpc, "r".into(), Asker::tenant(DEFAULT_TENANT_ID), String::new(), String::new())
            .expect("short ids")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test]
    async fn a_repeated_number_is_asked_once_and_answered_at_each_position() {
        let fake = Fake::founded();
        let (a, b) = (number("2015550100"), number("2015550101"));
        fake.judge(a, listed("federal"));
        fake.judge(b, clear("federal"));
        let checks = Checks::new(fake.clone(), Duration::from_secs(1));
        let numbers = vec![Ok(b), Ok(a), Err(NumberError::Empty), Ok(b), Ok(a)];
        let judged = checks.many(&caller(), numbers, soon(), "bulk").await;
        let verdicts: Vec<_> =
            judged.items.iter().map(|item| item.as_ref().map(|a| (a.number, a.verdict())).map_err(|e| *e)).collect();
        assert_eq!(
            verdicts,
            [
                Ok((b, Verdict::Clear)),
                Ok((a, Verdict::Listed)),
                Err(NumberError::Empty),
                Ok((b, Verdict::Clear)),
                Ok((a, Verdict::Listed)),
            ]
        );
        assert_eq!(fake.asked(), [vec![a, b]]);
    }

    #[tokio::test]
    async fn every_number_asked_about_is_counted_under_its_tenant() {
        let fake = Fake::founded();
        fake.judge(number("2015550100"), listed("federal"));
        let counting = Counting::default();
        let checks = Checks::new(fake.clone(), Duration::from_secs(1)).counted_by(counting.clone());
        let numbers = vec![Ok(number("2015550100")), Ok(number("2015550100")), Err(NumberError::Empty)];
        checks.many(&caller(), numbers, soon(), "bulk").await;
        checks.one(&caller(), number("2015550101"), soon()).await;
        assert!(counting.write(&fake, soon()).await);
        let (tenant, _, counts) = fake.counted().remove(0);
        assert_eq!(tenant, DEFAULT_TENANT_ID);
        assert_eq!((counts.checks, counts.listed, counts.errors, counts.requests), (3, 2, 1, 2));
        assert_eq!(counts.reasons.values().sum::<u64>(), 2);
        assert_eq!(counts.unknown.values().sum::<u64>(), 1);
    }

    #[tokio::test]
    async fn numbers_without_a_judgement_are_unknown_and_never_clear() {
        let fake = Fake::founded();
        fake.lose_judgements();
        let checks = Checks::new(fake, Duration::from_secs(1));
        let answer = checks.one(&caller(), number("2015550100"), soon()).await;
        assert_eq!(answer.verdict(), Judgement::unavailable().verdict);
        assert!(!answer.into_message(String::new()).may_call);
    }

    #[tokio::test]
    async fn without_a_valid_number_nobody_is_asked() {
        let fake = Fake::founded();
        let checks = Checks::new(fake.clone(), Duration::from_secs(1));
        let judged = checks.many(&caller(), vec![Err(NumberError::Letter)], soon(), "bulk").await;
        assert_eq!(judged.items.len(), 1);
        assert_eq!(judged.revision, fake.known().view.revision);
        assert!(fake.asked().is_empty());
    }
}
