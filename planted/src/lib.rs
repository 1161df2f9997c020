//! Bugs that are planted on purpose, to see whether the chaos suite finds them.
//!
//! Each [`Bug`] breaks one promise at one place of the product, which asks [`is`]. Without the feature `on`, the only way
//! in which anything is ever released, [`is`] is `false` when compiled, the variable is not read, and nothing of a bug is
//! in the binary. With it, one bug at most is chosen when the process starts, by the variable [`VARIABLE`].
//! docs/mutants.md says which scenario finds which.

/// The variable that chooses a bug, where there are any to choose from.
pub const VARIABLE: &str = "DNC_PLANTED_BUG";

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A log entry counts as on disk before it is.
    AcknowledgeBeforeSync,
    /// What the log holds and the state does not yet is not looked at.
    IgnoreLogTail,
    /// After a restart, what the log holds beyond the state is not shown to readers.
    TailNotRebuilt,
    /// One replica's answer is enough.
    AnswerFromOne,
    /// The replica with the oldest log counts.
    OldestLogCounts,
    /// The oldest membership that any answer names says who votes.
    StaleMembership,
    /// A check is judged by the catalog that the router has, though a replica names a newer one.
    JudgeByOldCatalog,
    /// An exemption lifts a listing if any replica shows it, though others know of its end.
    AnyExemptionLifts,
    /// A rule is acknowledged before every shard knows of it.
    RuleBeforeBarrier,
    /// A version becomes active before every shard has sealed it.
    ActivateUnsealed,
    /// A replica answers for versions that it does not have as if they were empty.
    AnswerWithoutVersion,
    /// A repeated request is carried out again.
    ForgetRequests,
    /// The requests that were carried out are not known any more after a restart.
    RequestsNotReloaded,
    /// The larger filter does not take the numbers that are added while it is being filled.
    FilterMissesAdds,
    /// The filter is empty after a restart.
    FilterNotFilled,
    /// A node that lost its data comes back under the id that it had.
    ReuseNodeId,
    /// A replica that has moved away goes on.
    RemovedReplicaStays,
    /// A leader answers alone after its lease has ended.
    LeaseNeverEnds,
    /// A leader answers alone though it is handing the leadership over.
    LeaseAcrossHandover,
    /// A replica that has just started votes, whatever it owes a leader from before.
    VotesTooSoon,
}

// === impl Bug ===

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 20] = [
        Bug::AcknowledgeBeforeSync,
        Bug::IgnoreLogTail,
        Bug::TailNotRebuilt,
        Bug::AnswerFromOne,
        Bug::OldestLogCounts,
        Bug::StaleMembership,
        Bug::JudgeByOldCatalog,
        Bug::AnyExemptionLifts,
        Bug::RuleBeforeBarrier,
        Bug::ActivateUnsealed,
        Bug::AnswerWithoutVersion,
        Bug::ForgetRequests,
        Bug::RequestsNotReloaded,
        Bug::FilterMissesAdds,
        Bug::FilterNotFilled,
        Bug::ReuseNodeId,
        Bug::RemovedReplicaStays,
        Bug::LeaseNeverEnds,
        Bug::LeaseAcrossHandover,
        Bug::VotesTooSoon,
    ];

    /// What it is called in the variable and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Bug::AcknowledgeBeforeSync => "acknowledge-before-sync",
            Bug::IgnoreLogTail => "ignore-log-tail",
            Bug::TailNotRebuilt => "tail-not-rebuilt",
            Bug::AnswerFromOne => "answer-from-one",
            Bug::OldestLogCounts => "oldest-log-counts",
            Bug::StaleMembership => "stale-membership",
            Bug::JudgeByOldCatalog => "judge-by-old-catalog",
            Bug::AnyExemptionLifts => "any-exemption-lifts",
            Bug::RuleBeforeBarrier => "rule-before-barrier",
            Bug::ActivateUnsealed => "activate-unsealed",
            Bug::AnswerWithoutVersion => "answer-without-version",
            Bug::ForgetRequests => "forget-requests",
            Bug::RequestsNotReloaded => "requests-not-reloaded",
            Bug::FilterMissesAdds => "filter-misses-adds",
            Bug::FilterNotFilled => "filter-not-filled",
            Bug::ReuseNodeId => "reuse-node-id",
            Bug::RemovedReplicaStays => "removed-replica-stays",
            Bug::LeaseNeverEnds => "lease-never-ends",
            Bug::LeaseAcrossHandover => "lease-across-handover",
            Bug::VotesTooSoon => "votes-too-soon",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Bug> {
        Bug::ALL.into_iter().find(|bug| bug.name() == name)
    }
}

/// Whether this bug is planted in this process.
#[cfg(not(feature = "on"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}

/// Whether this bug is planted in this process.
#[cfg(feature = "on")]
#[inline]
pub fn is(bug: Bug) -> bool {
    chosen() == Some(bug)
}

/// The bug that is planted in this process. Panics if the variable names none that there is: then nothing could be shown.
#[cfg(feature = "on")]
pub fn chosen() -> Option<Bug> {
    static CHOSEN: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var(VARIABLE).ok()?;
        Some(Bug::named(&name).unwrap_or_else(|| panic!("there is no bug {name} to plant")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_name_of_its_own() {
        for bug in Bug::ALL {
            assert_eq!(Bug::named(bug.name()), Some(bug));
        }
    }

    #[cfg(not(feature = "on"))]
    #[test]
    fn without_the_feature_no_bug_can_be_chosen() {
        const NONE: [bool; 2] = [is(Bug::AcknowledgeBeforeSync), is(Bug::RemovedReplicaStays)];
        assert_eq!(NONE, [false; 2]);
    }
}
