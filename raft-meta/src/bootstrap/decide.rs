//! The decision of one round: what this voter knows, and what its peers answered.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bootstrap, Identity};

/// What a peer said when it was asked in this round. An older answer counts for nothing: the peer may have lost its folder since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing, or nothing that can be used; why, for the log.
    Silent(String),
    /// Another voter answers at its address.
    AnotherVoter(u64),
    /// It has not bootstrapped; its incarnation.
    Fresh(u128),
    /// It has.
    Bootstrapped(Bootstrap),
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask again later; whom we wait for and why.
    Wait(BTreeMap<u64, String>),
    /// All voters are here and fresh: this is the cluster.
    Found(Bootstrap),
    /// A peer knows the cluster, and this voter is in it.
    Adopt(Bootstrap),
    /// Do not start.
    Refuse(Refused),
}

/// Why a voter must not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has forgotten what it promised.
    #[error(
        "the data folder of voter {voter} was lost: cluster {cluster:032x} knows this voter with another one. A voter that lost its folder has forgotten votes and log entries; bring it back under a new id"
    )]
    FolderLost {
        /// This voter.
        voter: u64,
        /// The cluster.
        cluster: u128,
    },
    /// Configured are other voters than those that were agreed on.
    #[error("cluster {cluster:032x} has the voters {agreed:?}, configured are {configured:?}")]
    OtherVoters {
        /// The cluster.
        cluster: u128,
        /// Its voters.
        agreed: BTreeSet<u64>,
        /// The configured ones.
        configured: BTreeSet<u64>,
    },
    /// Two peers belong to two clusters.
    #[error(
        "voter {one} belongs to cluster {cluster:032x}, voter {other} to cluster {other_cluster:032x}; these voters do not belong together"
    )]
    TwoClusters {
        /// A peer.
        one: u64,
        /// Its cluster.
        cluster: u128,
        /// Another peer.
        other: u64,
        /// Its cluster.
        other_cluster: u128,
    },
}

/// Decides one round. `answers` has the configured peers, this voter not among them; `configured` has all.
pub(crate) fn decide(me: Identity, configured: &BTreeSet<u64>, answers: &BTreeMap<u64, Answer>) -> Step {
    let mut bootstrapped = answers.iter().filter_map(|(peer, answer)| match answer {
        Answer::Bootstrapped(bootstrap) => Some((*peer, bootstrap)),
        _ => None,
    });
    if let Some((one, bootstrap)) = bootstrapped.next() {
        if let Some((other, second)) = bootstrapped.find(|(_, b)| b.cluster != bootstrap.cluster) {
            return Step::Refuse(Refused::TwoClusters {
                one,
                cluster: bootstrap.cluster,
                other,
                other_cluster: second.cluster,
            });
        }
        return match check(me, configured, bootstrap) {
            Ok(()) => Step::Adopt(bootstrap.clone()),
            Err(refused) => Step::Refuse(refused),
        };
    }
    let mut voters = BTreeMap::from([(me.voter, me.incarnation)]);
    let mut missing = BTreeMap::new();
    for peer in configured.iter().filter(|peer| **peer != me.voter) {
        let why = match answers.get(peer) {
            Some(Answer::Fresh(incarnation)) => {
                voters.insert(*peer, *incarnation);
                continue;
            }
            Some(Answer::AnotherVoter(other)) => format!("voter {other} answers at its address"),
            Some(Answer::Silent(why)) => why.clone(),
            Some(Answer::Bootstrapped(_)) | None => "not asked".to_owned(),
        };
        missing.insert(*peer, why);
    }
    if missing.is_empty() { Step::Found(Bootstrap::of(voters)) } else { Step::Wait(missing) }
}

/// Whether this voter, with this data folder and this configuration, is one of the agreed ones.
pub(crate) fn check(me: Identity, configured: &BTreeSet<u64>, bootstrap: &Bootstrap) -> Result<(), Refused> {
    let lost = bootstrap.voters.get(&me.voter).is_some_and(|incarnation| *incarnation != me.incarnation);
    if lost {
        return Err(Refused::FolderLost { voter: me.voter, cluster: bootstrap.cluster });
    }
    if bootstrap.ids() != *configured {
        return Err(Refused::OtherVoters {
            cluster: bootstrap.cluster,
            agreed: bootstrap.ids(),
            configured: configured.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Identity = Identity { voter: 1, incarnation: 11 };

    fn three() -> BTreeSet<u64> {
        BTreeSet::from([1, 2, 3])
    }

    fn agreed() -> Bootstrap {
        Bootstrap::of(BTreeMap::from([(1, 11), (2, 22), (3, 33)]))
    }

    fn silent() -> Answer {
        Answer::Silent("connection refused".into())
    }

    fn answers<const N: usize>(answers: [(u64, Answer); N]) -> BTreeMap<u64, Answer> {
        BTreeMap::from(answers)
    }

    #[test]
    fn nobody_bootstraps_before_all_have_answered() {
        let step = decide(ME, &three(), &answers([(2, Answer::Fresh(22)), (3, silent())]));
        let Step::Wait(missing) = step else { panic!("{step:?}") };
        assert_eq!(missing.into_keys().collect::<Vec<_>>(), [3]);
        let step = decide(ME, &three(), &answers([]));
        assert!(matches!(step, Step::Wait(missing) if missing.len() == 2));
    }

    #[test]
    fn a_wrong_voter_at_an_address_is_waited_for() {
        let round = answers([(2, Answer::Fresh(22)), (3, Answer::AnotherVoter(2))]);
        assert!(matches!(decide(ME, &three(), &round), Step::Wait(_)));
    }

    #[test]
    fn all_voters_come_to_the_same_cluster_by_themselves() {
        let from_1 = decide(ME, &three(), &answers([(2, Answer::Fresh(22)), (3, Answer::Fresh(33))]));
        let from_3 = decide(
            Identity { voter: 3, incarnation: 33 },
            &three(),
            &answers([(1, Answer::Fresh(11)), (2, Answer::Fresh(22))]),
        );
        assert_eq!(from_1, Step::Found(agreed()));
        assert_eq!(from_1, from_3);
        let other = Bootstrap::of(BTreeMap::from([(1, 11), (2, 22), (3, 34)]));
        assert_ne!(other.cluster, agreed().cluster);
    }

    #[test]
    fn a_single_voter_is_a_cluster() {
        let step = decide(ME, &BTreeSet::from([1]), &answers([]));
        assert_eq!(step, Step::Found(Bootstrap::of(BTreeMap::from([(1, 11)]))));
    }

    #[test]
    fn a_voter_adopts_what_a_peer_knows_even_if_others_are_silent() {
        let round = answers([(2, Answer::Bootstrapped(agreed())), (3, silent())]);
        assert_eq!(decide(ME, &three(), &round), Step::Adopt(agreed()));
        let round = answers([(2, Answer::Fresh(22)), (3, Answer::Bootstrapped(agreed()))]);
        assert_eq!(decide(ME, &three(), &round), Step::Adopt(agreed()));
    }

    #[test]
    fn a_voter_whose_folder_was_lost_is_refused() {
        let me = Identity { voter: 1, incarnation: 99 };
        let round = answers([(2, Answer::Bootstrapped(agreed())), (3, Answer::Fresh(33))]);
        let refused = Refused::FolderLost { voter: 1, cluster: agreed().cluster };
        assert_eq!(decide(me, &three(), &round), Step::Refuse(refused));
    }

    #[test]
    fn other_voters_than_the_agreed_ones_are_refused() {
        let configured = BTreeSet::from([1, 2, 4]);
        let round = answers([(2, Answer::Bootstrapped(agreed())), (4, silent())]);
        let step = decide(ME, &configured, &round);
        assert!(matches!(step, Step::Refuse(Refused::OtherVoters { .. })));
        // A voter that the cluster does not know at all.
        let me = Identity { voter: 4, incarnation: 44 };
        let round = answers([(1, silent()), (2, Answer::Bootstrapped(agreed()))]);
        let step = decide(me, &configured, &round);
        assert!(matches!(step, Step::Refuse(Refused::OtherVoters { .. })));
    }

    #[test]
    fn peers_of_two_clusters_are_refused() {
        let other = Bootstrap::of(BTreeMap::from([(1, 11), (2, 22), (3, 34)]));
        let round = answers([(2, Answer::Bootstrapped(agreed())), (3, Answer::Bootstrapped(other))]);
        let step = decide(ME, &three(), &round);
        assert!(matches!(step, Step::Refuse(Refused::TwoClusters { one: 2, other: 3, .. })));
    }
}
