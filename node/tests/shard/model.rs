//! What a shard should be: plain maps, without indexes, pages or memory to keep in step.

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::command::{Addition, Changed, Edit, Run, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::counts::Counts;
use dnc_core::exemption::Exemption;
use dnc_core::ids::{RegistryId, RequestId, TenantId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::suppression::{Removal, Suppression};
use jiff::civil::Date;

/// Number, registry, tenant and id of a suppression.
pub type Name = (PhoneNumber, RegistryId, TenantId, RequestId);

#[derive(Clone, Default)]
pub struct Model {
    pub live: BTreeMap<Name, Suppression>,
    pub traces: BTreeMap<Name, (Suppression, Removal)>,
    pub exemptions: BTreeMap<(PhoneNumber, TenantId, RequestId), (Exemption, Option<Removal>)>,
    pub counts: BTreeMap<(Date, TenantId), Counts>,
    pub versions: BTreeMap<VersionId, Version>,
    /// What each request was about, and its answer.
    requests: BTreeMap<RequestId, (String, ShardReply)>,
}

#[derive(Clone, Debug)]
pub struct Version {
    pub ancestry: Vec<VersionId>,
    pub content: BTreeSet<PhoneNumber>,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Staging,
    Sealed,
    Dropped,
}

// === impl Model ===

impl Model {
    /// What a command should be answered; it is carried out. Prunes and seals, which answer more than a model without
    /// blocks can know, are not for this.
    pub fn apply(&mut self, command: &ShardCommand) -> ShardReply {
        self.try_apply(command).unwrap_or_else(ShardReply::Refused)
    }

    pub fn sealed(&self) -> Vec<VersionId> {
        let sealed = self.versions.iter().filter(|(_, version)| version.state == State::Sealed);
        sealed.map(|(id, _)| *id).collect()
    }

    fn try_apply(&mut self, command: &ShardCommand) -> Result<ShardReply, ShardRefusal> {
        match command {
            ShardCommand::Suppress(addition) => {
                let name = name(addition);
                let about = format!("suppress {:?}", (name.0.to_u64(), name.1, name.2));
                self.known(name.3, &about)?;
                self.list(addition)?;
                self.remember(name.3, about, ShardReply::Suppressed { id: name.3 })
            }
            ShardCommand::SuppressMany { request, additions } => {
                if additions.is_empty() {
                    return Err(ShardRefusal::BadBatch(500));
                }
                let names: Vec<Name> = additions.iter().map(name).collect();
                let ids: BTreeSet<RequestId> = names.iter().map(|name| name.3).collect();
                if ids.len() < names.len() {
                    return Err(ShardRefusal::RequestReused);
                }
                let about =
                    format!("many {:?}", names.iter().map(|n| (n.0.to_u64(), n.1, n.2, n.3)).collect::<Vec<_>>());
                let before = self.known(*request, &about)?;
                let mut next = self.clone();
                let mut added = 0;
                for addition in additions {
                    let name = name(addition);
                    if name.3 != *request {
                        self.known(name.3, &format!("suppress {:?}", (name.0.to_u64(), name.1, name.2)))?;
                    }
                    added += u64::from(next.list(addition)?);
                }
                *self = next;
                match before {
                    Some(reply) => Ok(reply),
                    None => self.remember(*request, about, ShardReply::SuppressedMany { added }),
                }
            }
            ShardCommand::Release { request, number, registry, tenant, entries, removal } => {
                let about = format!("release {:?}", (number.to_u64(), registry, tenant));
                if let Some(reply) = self.known(*request, &about)? {
                    return Ok(reply);
                }
                let mut removed = 0;
                for id in entries.iter().collect::<BTreeSet<_>>() {
                    removed += u64::from(self.remove((*number, *registry, *tenant, *id), removal));
                }
                self.remember(*request, about, ShardReply::Released { removed })
            }
            ShardCommand::Verify { request, number, registry, tenant, verified_ms } => {
                let about = format!("verify {:?}", (number.to_u64(), registry, tenant));
                if let Some(reply) = self.known(*request, &about)? {
                    return Ok(reply);
                }
                let mut entries = 0;
                for (_, suppression) in
                    self.live.iter_mut().filter(|(n, _)| (n.0, n.1, n.2) == (*number, *registry, *tenant))
                {
                    suppression.verified_ms = suppression.verified_ms.max(*verified_ms);
                    entries += 1;
                }
                self.remember(*request, about, ShardReply::Verified { entries })
            }
            ShardCommand::Grant { number, exemption } => {
                let about = format!("grant {:?}", (number.to_u64(), exemption.tenant));
                self.known(exemption.id, &about)?;
                let name = (*number, exemption.tenant, exemption.id);
                match self.exemptions.get(&name) {
                    Some((_, Some(_))) => return Err(ShardRefusal::Ended),
                    Some((_, None)) => {}
                    None => drop(self.exemptions.insert(name, (exemption.clone(), None))),
                }
                self.remember(exemption.id, about, ShardReply::Granted { id: exemption.id })
            }
            ShardCommand::Revoke { request, number, tenant, exemptions, removal } => {
                let about = format!("revoke {:?}", (number.to_u64(), tenant));
                if let Some(reply) = self.known(*request, &about)? {
                    return Ok(reply);
                }
                let mut removed = 0;
                for id in exemptions {
                    if let Some((_, ended @ None)) = self.exemptions.get_mut(&(*number, *tenant, *id)) {
                        *ended = Some(removal.clone());
                        removed += 1;
                    }
                }
                self.remember(*request, about, ShardReply::Revoked { removed })
            }
            ShardCommand::Sweep { now_ms, limit } => Ok(self.sweep(*now_ms, *limit as usize)),
            ShardCommand::Count { request, tenant, day, counts } => {
                let about = format!("count {tenant} {day} {counts:?}");
                if let Some(reply) = self.known(*request, &about)? {
                    return Ok(reply);
                }
                self.counts.entry((*day, *tenant)).or_default().add(counts);
                self.remember(*request, about, ShardReply::Done)
            }
            ShardCommand::Stage { version, ancestry, run, .. } => {
                let within = |number: &PhoneNumber| (run.first..=run.last).contains(&number.block());
                let (old, new) = self.change(*version, ancestry, |content| {
                    content.retain(|number| !within(number));
                    content.extend(numbers_of(run));
                })?;
                Ok(ShardReply::Staged(changed(&old, &new, within)))
            }
            ShardCommand::Amend { version, ancestry, edits, .. } => {
                let all = |content: &mut _| edits.iter().for_each(|edit| amend(content, edit));
                let (old, new) = self.change(*version, ancestry, all)?;
                let each = edits.iter().map(|edit| changed(&old, &new, |number| number.block() == edit.block));
                Ok(ShardReply::Amended(each.collect()))
            }
            ShardCommand::Drop { version, .. } => {
                let making = |other: &Version| other.state == State::Staging && other.ancestry.first() == Some(version);
                let state = self.versions.get(version).map(|version| version.state);
                if state == Some(State::Sealed) && self.versions.values().any(making) {
                    return Err(ShardRefusal::Kept);
                }
                let gone = Version { ancestry: vec![], content: BTreeSet::new(), state: State::Dropped };
                self.versions.insert(*version, gone);
                Ok(ShardReply::Done)
            }
            ShardCommand::Seal { .. }
            | ShardCommand::Prune { .. }
            | ShardCommand::Barrier { .. }
            | ShardCommand::Restore { .. } => panic!("not for the model"),
        }
    }

    /// The reply to a request that was carried out before.
    fn known(&self, request: RequestId, about: &str) -> Result<Option<ShardReply>, ShardRefusal> {
        match self.requests.get(&request) {
            None => Ok(None),
            Some((known, reply)) if known == about => Ok(Some(reply.clone())),
            Some(_) => Err(ShardRefusal::RequestReused),
        }
    }

    fn remember(&mut self, request: RequestId, about: String, reply: ShardReply) -> Result<ShardReply, ShardRefusal> {
        self.requests.insert(request, (about, reply.clone()));
        Ok(reply)
    }

    /// Whether it was new.
    fn list(&mut self, addition: &Addition) -> Result<bool, ShardRefusal> {
        let name = name(addition);
        if self.traces.contains_key(&name) {
            return Err(ShardRefusal::Ended);
        }
        let new = !self.live.contains_key(&name);
        self.live.entry(name).or_insert_with(|| addition.suppression.clone());
        Ok(new)
    }

    fn remove(&mut self, name: Name, removal: &Removal) -> bool {
        let Some(suppression) = self.live.remove(&name) else { return false };
        self.traces.insert(name, (suppression, removal.clone()));
        true
    }

    fn sweep(&mut self, now_ms: u64, limit: usize) -> ShardReply {
        // Suppressions before exemptions where time and number are the same.
        let suppressions = self.live.iter().map(|(name, s)| (s.expires_ms, name.0, 0, name.1.0, name.2, name.3));
        let exemptions = self
            .exemptions
            .iter()
            .filter(|(_, (_, ended))| ended.is_none())
            .map(|(name, (e, _))| (e.expires_ms, name.0, 1, 0, name.1, name.2));
        let mut due: Vec<_> = suppressions.chain(exemptions).filter(|d| d.0.is_some_and(|end| end <= now_ms)).collect();
        due.sort();
        let more = due.len() > limit;
        due.truncate(limit);
        let removal =
            Removal { request: None, reason: "expired".into(), removed_by: String::new(), removed_ms: now_ms };
        for (_, number, kind, registry, tenant, id) in &due {
            if *kind == 0 {
                self.remove((*number, RegistryId(*registry), *tenant, *id), &removal);
            } else if let Some((_, ended)) = self.exemptions.get_mut(&(*number, *tenant, *id)) {
                *ended = Some(removal.clone());
            }
        }
        ShardReply::Swept { ended: due.len() as u64, more }
    }

    /// What the parent holds, and what the version holds after the change.
    fn change(
        &mut self,
        version: VersionId,
        ancestry: &[VersionId],
        change: impl FnOnce(&mut BTreeSet<PhoneNumber>),
    ) -> Result<(BTreeSet<PhoneNumber>, BTreeSet<PhoneNumber>), ShardRefusal> {
        let parent = match ancestry.first() {
            Some(parent) => match self.versions.get(parent) {
                Some(parent) if parent.state == State::Sealed => parent.content.clone(),
                _ if self.versions.contains_key(&version) => BTreeSet::new(),
                _ => return Err(ShardRefusal::NoParent),
            },
            None => BTreeSet::new(),
        };
        let known = self.versions.entry(version).or_insert_with(|| Version {
            ancestry: ancestry.to_vec(),
            content: parent.clone(),
            state: State::Staging,
        });
        match known.state {
            State::Dropped => return Err(ShardRefusal::Dropped),
            _ if known.ancestry != ancestry => return Err(ShardRefusal::OtherAncestry),
            State::Sealed => return Err(ShardRefusal::Sealed),
            State::Staging => {}
        }
        change(&mut known.content);
        Ok((parent, known.content.clone()))
    }
}

/// What changed within this.
fn changed(old: &BTreeSet<PhoneNumber>, new: &BTreeSet<PhoneNumber>, within: impl Fn(&PhoneNumber) -> bool) -> Changed {
    Changed {
        added: new.difference(old).filter(|number| within(number)).count() as u64,
        dropped: old.difference(new).filter(|number| within(number)).count() as u64,
        unchanged: new.intersection(old).filter(|number| within(number)).count() as u64,
    }
}

fn name(addition: &Addition) -> Name {
    (addition.number, addition.registry, addition.suppression.tenant, addition.suppression.id)
}

fn numbers_of(run: &Run) -> impl Iterator<Item = PhoneNumber> + '_ {
    run.blocks.iter().flat_map(|(id, block)| block.iter().map(|line| id.number(line).expect("a number")))
}

fn amend(content: &mut BTreeSet<PhoneNumber>, edit: &Edit) {
    let numbers = |block: &dnc_core::block::Block| {
        block.iter().map(|line| edit.block.number(line).expect("a number")).collect::<Vec<_>>()
    };
    content.extend(numbers(&edit.add));
    for number in numbers(&edit.drop) {
        content.remove(&number);
    }
}
