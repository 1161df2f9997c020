//! How far a plan is, and when it will be done. Pure.
//!
//! Moves are weighed by what they are expected to take, of which most is sending: so a plan whose small shards went
//! first is not thought to be nearly done. The catalog does not say which moves were done, so these count as average; of
//! those under way counts what has arrived.

use std::collections::BTreeSet;

use dnc_core::catalog::{Move, PastPlan, Plan};
use dnc_proto::v1;

use super::forecast::{expected_ms, senders};
use super::picture::Picture;
use super::told::count;
use crate::clock;

/// When a plan will be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// In so many milliseconds.
    pub ms: u64,
    /// Too little is done yet for it to be told by that.
    pub assumed: bool,
}

/// Of a plan, one part of so many must be done before the time that is left is told by the time that it took.
const TOLD_AFTER: u64 = 20;

/// When a plan will be done that has been under way for so long, given what its moves are expected to take: what is done
/// of them, and what is left.
pub fn left(done_ms: u64, left_ms: u64, elapsed_ms: u64) -> Left {
    if done_ms == 0 || done_ms.saturating_mul(TOLD_AFTER) < done_ms.saturating_add(left_ms) {
        return Left { ms: left_ms, assumed: true };
    }
    let ms = u128::from(elapsed_ms) * u128::from(left_ms) / u128::from(done_ms);
    Left { ms: u64::try_from(ms).unwrap_or(u64::MAX), assumed: false }
}

/// A plan that is being carried out.
pub fn of_plan(plan: &Plan, picture: &Picture, now_ms: u64) -> v1::PlanProgress {
    let throttle = plan.purpose.throttle;
    let bytes_of = |step: &Move| picture.shard(step.shard).map_or(0, |shard| shard.bytes);
    let mut shards_begun = BTreeSet::new();
    let under_way = plan.left.iter().filter(|step| shards_begun.insert(step.shard));
    let arrived: u64 = under_way.map(|step| picture.arrived(step.shard, step.to)).sum();
    let bytes_left = plan.left.iter().map(bytes_of).sum::<u64>().saturating_sub(arrived);
    let shards = picture.shards.len().max(1);
    let senders = senders(picture, plan.left.iter());
    let all_ms = expected_ms(picture.shards.iter().map(|shard| shard.bytes).sum(), shards, throttle, senders);
    let mean_ms = all_ms / u64::try_from(shards).unwrap_or(u64::MAX);
    let elapsed_ms = now_ms.saturating_sub(plan.purpose.made_ms);
    let done_ms =
        u64::from(plan.done).saturating_mul(mean_ms).saturating_add(expected_ms(arrived, 0, throttle, senders));
    let left = left(done_ms, expected_ms(bytes_left, plan.left.len(), throttle, senders), elapsed_ms);
    v1::PlanProgress {
        plan_id: plan.id.to_string(),
        why: plan.purpose.why.clone(),
        made_at: clock::time(plan.purpose.made_ms),
        throttle,
        moves: count(plan.total()),
        done: plan.done,
        dropped: plan.dropped,
        left: count(plan.left.len()),
        cancelled: plan.cancelled,
        bytes_left,
        // What a cancelled plan still does is to finish or take back what is under way.
        seconds_left: (!plan.cancelled).then(|| left.ms.div_ceil(1_000)),
        time_is_assumed: left.assumed && !plan.cancelled,
        state: if plan.cancelled { "cancelling" } else { "carried out" }.into(),
        ended_at: None,
    }
}

/// A plan that has ended.
pub fn of_past(plan: &PastPlan) -> v1::PlanProgress {
    let cancelled = plan.dropped > 0;
    v1::PlanProgress {
        plan_id: plan.id.to_string(),
        why: plan.purpose.why.clone(),
        made_at: clock::time(plan.purpose.made_ms),
        throttle: plan.purpose.throttle,
        moves: plan.done + plan.dropped,
        done: plan.done,
        dropped: plan.dropped,
        cancelled,
        state: if cancelled { "cancelled" } else { "done" }.into(),
        ended_at: Some(clock::time(plan.ended_ms)),
        ..v1::PlanProgress::default()
    }
}

#[cfg(test)]
mod tests {
    use dnc_core::catalog::{Change, Purpose};
    use dnc_core::ids::{RequestId, ShardId};
    use dnc_proto::internal as wire;

    use super::super::fixture::{Stand, change, four};
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_was_done_by_weight() {
        // A quarter of the weight took ten seconds.
        assert_eq!(left(1_000, 3_000, 10_000), Left { ms: 30_000, assumed: false });
        // The large ones are left.
        assert_eq!(left(2_000, 10_000, 4_000), Left { ms: 20_000, assumed: false });
        assert_eq!(left(5_000, 0, 4_000).ms, 0);
    }

    #[test]
    fn before_a_twentieth_is_done_the_time_left_is_an_assumption() {
        assert_eq!(left(0, 7_000, 60_000), Left { ms: 7_000, assumed: true });
        assert_eq!(left(1_000, 19_001, 60_000), Left { ms: 19_001, assumed: true });
        assert_eq!(left(1_000, 19_000, 2_000), Left { ms: 38_000, assumed: false });
    }

    #[test]
    fn what_has_arrived_of_moves_under_way_is_done() {
        let mut catalog = four();
        let moves = [0, 1].map(|shard| Move { shard: ShardId(shard), to: 4, from: 3 });
        let purpose = Purpose { why: "drain node 3".into(), throttle: 1_000_000, made_ms: 1_000 };
        change(&mut catalog, Change::AdoptPlan { id: RequestId(7), purpose, moves: moves.to_vec() });
        let told = |stand: &Stand| {
            of_plan(catalog.moves.plan.as_ref().expect("a plan"), &Picture::new(&catalog, &stand.nodes), 9_000)
        };
        let mut stand = Stand::of(&catalog);
        for shard in 0..2 {
            stand = stand.learns(4, shard, &[1, 2, 3], 1);
            *stand.replica(4, shard) = wire::Replica { shard, ..wire::Replica::default() };
        }
        for node in 1..=3 {
            for shard in 0..2 {
                stand.replica(node, shard).resident_bytes = 4_000_000;
            }
        }
        let before = told(&stand);
        assert_eq!((before.bytes_left, before.time_is_assumed), (8_000_000, true));
        // Of ten seconds' worth, four are done after eight.
        for shard in 0..2 {
            stand.replica(4, shard).receiving_bytes = 2_000_000;
        }
        let now = told(&stand);
        assert_eq!((now.bytes_left, now.seconds_left, now.time_is_assumed), (4_000_000, Some(12), false));
        // More than was thought is not more than all.
        stand.replica(4, 0).receiving_bytes = 9_000_000;
        assert_eq!(told(&stand).bytes_left, 2_000_000);
    }

    #[test]
    fn a_plan_counts_down_ends_in_the_past_and_says_whether_it_was_cancelled() {
        let mut catalog = four();
        let moves = [0, 1].map(|shard| Move { shard: ShardId(shard), to: 4, from: 3 });
        let purpose = Purpose { why: "drain node 3".into(), throttle: 0, made_ms: 1_000 };
        let id = RequestId(7);
        change(&mut catalog, Change::AdoptPlan { id, purpose, moves: moves.to_vec() });
        change(&mut catalog, Change::FinishMove { plan: id, step: moves[0], now_ms: 2_000 });
        let told = |catalog: &dnc_core::catalog::Catalog| {
            let stand = Stand::of(catalog);
            of_plan(catalog.moves.plan.as_ref().expect("a plan"), &Picture::new(catalog, &stand.nodes), 9_000)
        };
        let now = told(&catalog);
        assert_eq!((now.moves, now.done, now.left, now.state.as_str()), (2, 1, 1, "carried out"));
        // Half of it took eight seconds.
        assert_eq!((now.seconds_left, now.time_is_assumed), (Some(8), false));
        change(&mut catalog, Change::CancelPlan { id });
        let now = told(&catalog);
        assert_eq!((now.seconds_left, now.state.as_str()), (None, "cancelling"));
        change(&mut catalog, Change::DropMove { plan: id, step: moves[1], now_ms: 12_000 });
        let past = of_past(&catalog.moves.past[0]);
        assert_eq!((past.done, past.dropped, past.state.as_str()), (1, 1, "cancelled"));
        assert_eq!(past.ended_at.as_deref(), Some("1970-01-01T00:00:12Z"));
    }
}
