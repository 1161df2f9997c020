use std::collections::BTreeMap;

use dnc_core::codec;
use dnc_core::exemption::{Exemption, Ground, Months};
use dnc_core::ids::{RequestId, ShardId, VersionId};
use dnc_core::registry::{Coverage, RegistryKind, Source};
use dnc_core::rule::{Pattern, Rule, RuleSet};
use dnc_core::suppression::{Origin, Scope};
use dnc_core::tenant::{AreaSet, DEFAULT_TENANT_ID, Holds, Terms};
use dnc_core::verdict::{LiveFinding, Verdict};
use dnc_core::view::{ActiveVersion, ViewRegistry, ViewTenant};
use dnc_proto::internal as wire;
use jiff::civil::date;
use proptest::prelude::*;

use super::*;

const FEDERAL: RegistryId = RegistryId(1);
const INTERNAL: RegistryId = RegistryId(2);
const STATE: RegistryId = RegistryId(3);
const PARTNER: RegistryId = RegistryId(4);
/// None that the view knows.
const UNHEARD_OF: RegistryId = RegistryId(9);
/// Holds the federal list of 201 alone.
const SMALL: TenantId = TenantId(2);
const TODAY: Date = date(2026, 11, 21);

fn area(text: &str) -> Area {
    text.parse().expect("an area")
}

fn source(file: &str, list_date: Date) -> Source {
    Source { list_date, file: file.into(), sha256: [7; 32], numbers: 3 }
}

fn registry(id: RegistryId, kind: RegistryKind, coverage: Option<Coverage>) -> ViewRegistry {
    ViewRegistry {
        id,
        name: kind.as_str().into(),
        kind,
        owner: None,
        max_age_days: 31,
        exemption_months: Months::default(),
        active: coverage.map(|coverage| ActiveVersion { id: VersionId(4), coverage }),
    }
}

/// A federal list of 201, fresh, and of 202, stale; a state's of 201; a partner's of everywhere; a rule for one exchange.
fn view() -> Arc<View> {
    let federal = [("201", source("a", date(2026, 11, 9))), ("202", source("b", date(2026, 1, 9)))];
    let federal = Coverage::Areas(federal.map(|(code, source)| (area(code), source)).into());
    let state = Coverage::Areas([(area("201"), source("c", date(2026, 11, 1)))].into());
    let small = Holds::These(BTreeMap::from([(FEDERAL, AreaSet::These([area("201")].into()))]));
    let rule = Rule {
        id: RequestId(7),
        pattern: Pattern::parse("prefix", "201777").expect("a pattern"),
        tenant: Some(DEFAULT_TENANT_ID),
        description: "ours".into(),
        author: String::new(),
        created_ms: 0,
    };
    Arc::new(View {
        revision: 5,
        registries: vec![
            registry(FEDERAL, RegistryKind::Federal, Some(federal)),
            registry(INTERNAL, RegistryKind::Internal, None),
            registry(STATE, RegistryKind::State, Some(state)),
            registry(PARTNER, RegistryKind::Partner, Some(Coverage::Everywhere(source("d", date(2026, 11, 1))))),
        ],
        tenants: vec![
            ViewTenant { id: DEFAULT_TENANT_ID, name: "default".into(), terms: Terms::everything() },
            ViewTenant { id: SMALL, name: "small".into(), terms: Terms { holds: small, ..Terms::everything() } },
        ],
        rules: Arc::new(RuleSet::new(&BTreeMap::from([(rule.id, rule)]))),
    })
}

fn opt_out(tenant: TenantId) -> LiveFinding {
    LiveFinding { registry: INTERNAL, id: RequestId(9), tenant, scope: Scope::Tenant, origin: Origin::Consumer }
}

fn consent(tenant: TenantId) -> Exemption {
    Exemption {
        id: RequestId(8),
        tenant,
        ground: Ground::Consent,
        since: date(2026, 1, 1),
        expires_ms: None,
        proof: String::new(),
        proof_sha256: String::new(),
        notes: String::new(),
        granted_by: String::new(),
        granted_ms: 0,
    }
}

/// A number, which lists hold it, and what it has of its own.
#[derive(Clone, Debug)]
struct Known {
    number: PhoneNumber,
    lists: Vec<bool>,
    live: Option<TenantId>,
    exempt: Option<TenantId>,
}

const LISTS: [RegistryId; 4] = [FEDERAL, STATE, PARTNER, UNHEARD_OF];

fn known() -> impl Strategy<Value = Known> {
    let block = prop_oneof![Just(1_201_555u64), Just(1_201_777), Just(1_202_555), Just(1_203_555)];
    // What most numbers do not have, most have not.
    let seldom = || prop_oneof![8 => Just(None), 1 => Just(Some(DEFAULT_TENANT_ID)), 1 => Just(Some(SMALL))];
    let lists = (any::<bool>(), any::<bool>(), any::<bool>(), proptest::bool::weighted(0.1));
    (block, 0..10_000u64, lists, seldom(), seldom()).prop_map(|(block, line, lists, live, exempt)| Known {
        number: PhoneNumber::from_u64(block * 10_000 + line).expect("a number"),
        lists: vec![lists.0, lists.1, lists.2, lists.3],
        live,
        exempt,
    })
}

fn findings(known: &Known) -> Findings {
    Findings {
        bulk: LISTS.iter().zip(&known.lists).filter(|(_, listed)| **listed).map(|(id, _)| *id).collect(),
        live: known.live.map(opt_out).into_iter().collect(),
        exemptions: known.exempt.map(consent).into_iter().collect(),
    }
}

/// What two replicas of three say of these.
fn settled(all: &[(usize, &Known)]) -> Gather {
    let mut gather = Gather::new(ShardId(4), 0, vec![1, 2, 3], 3, all.len());
    all.iter().for_each(|(position, known)| gather.push(*position, known.number));
    let at = |at: usize| u32::try_from(at).expect("few");
    let answer = wire::ShardAnswer {
        shard: 4,
        standing: Some(wire::Standing {
            last: Some(wire::LogPosition { term: 1, index: 1 }),
            membership_at: Some(wire::LogPosition { term: 1, index: 0 }),
            membership: vec![wire::VoterSet { nodes: vec![1, 2, 3] }],
            ..wire::Standing::default()
        }),
        has_view: true,
        listed: (0..LISTS.len())
            .map(|list| wire::Listed {
                registry: LISTS[list].0,
                numbers: Bits::of(all.len(), |at| all[at].1.lists[list]).into_bytes(),
            })
            .collect(),
        live_hits: all
            .iter()
            .enumerate()
            .filter_map(|(place, (_, known))| {
                Some(wire::LiveHit { at: at(place), finding: codec::encode(&opt_out(known.live?)) })
            })
            .collect(),
        exempt_hits: all
            .iter()
            .enumerate()
            .filter_map(|(place, (_, known))| {
                Some(wire::ExemptHit { at: at(place), exemption: codec::encode(&consent(known.exempt?)) })
            })
            .collect(),
        ..wire::ShardAnswer::default()
    };
    for node in [1, 2] {
        gather.add(node, answer.clone()).expect("reads");
    }
    gather
}

proptest! {
    #[test]
    fn shared_judgements_are_those_that_each_number_would_have_had(
        all in proptest::collection::vec(known(), 0..60),
        small in any::<bool>(),
        settles in any::<bool>(),
    ) {
        let now = Now { today: TODAY, ms: 5 };
        let book = Book::new(view(), TODAY);
        let numbers: Vec<PhoneNumber> = all.iter().map(|known| known.number).collect();
        let asker = Asker::tenant(if small { SMALL } else { DEFAULT_TENANT_ID });
        let positioned: Vec<(usize, &Known)> = all.iter().enumerate().collect();
        let (first, second) = positioned.split_at(all.len() / 2);
        let mut gathers = vec![settled(first)];
        if settles {
            gathers.push(settled(second));
        } else {
            gathers.push(Gather::new(ShardId(5), 0, vec![1, 2, 3], 3, second.len()));
            second.iter().for_each(|(position, known)| gathers[1].push(*position, known.number));
        }
        // The second time all that can be is found in the book.
        for _ in 0..2 {
            let judged = judge_all(&numbers, &asker, &book, &gathers, now);
            prop_assert_eq!(judged.len(), all.len());
            for (at, known) in &positioned {
                let expected = if settles || *at < first.len() {
                    judge(known.number, &findings(known), book.view(), &asker, now)
                } else {
                    Judgement::unavailable()
                };
                prop_assert_eq!(judged.get(*at).expect("judged").judgement(), &expected);
            }
        }
    }
}

#[test]
fn areas_of_one_list_share_a_judgement() {
    let everywhere = |id, kind| registry(id, kind, Some(Coverage::Everywhere(source("a", TODAY))));
    let view = View { registries: vec![everywhere(FEDERAL, RegistryKind::Federal)], ..View::clone(&view()) };
    let book = Book::new(Arc::new(view), TODAY);
    let known = |area: u64, listed| Known {
        number: PhoneNumber::from_u64(10_005_550_100 + area * 10_000_000).expect("a number"),
        lists: vec![listed, false, false, false],
        live: None,
        exempt: None,
    };
    let all: Vec<Known> = (201..=209).map(|area| known(area, area % 2 == 0)).collect();
    let numbers: Vec<PhoneNumber> = all.iter().map(|known| known.number).collect();
    let gather = settled(&all.iter().enumerate().collect::<Vec<_>>());
    let asker = Asker::tenant(DEFAULT_TENANT_ID);
    let judged = judge_all(&numbers, &asker, &book, &[gather], Now { today: TODAY, ms: 5 });
    let verdicts: Vec<Verdict> = judged.distinct().iter().map(|judged| judged.verdict()).collect();
    assert_eq!(verdicts, [Verdict::Clear, Verdict::Listed]);
    assert_eq!((0..4).map(|at| judged.place(at)).collect::<Vec<_>>(), [Some(0), Some(1), Some(0), Some(1)]);
}
