//! The state machine of a shard: how committed commands change the replica, and how the log's tail
//! is followed.
//!
//! Every apply writes its changes together with the applied position and only then shows them in
//! memory; the overlay lets go of an add after that. So a reader always finds an add in one of the
//! two.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dnc_consensus::{Keyspace, LogPosition, Machine, MachineError, Transition};
use dnc_core::codec;
use dnc_core::command::{Addition, Run, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::ids::{RegistryId, RequestId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::suppression::Suppression;

use super::entries::{Answered, Entries, Requests, Subject};
use super::versions::{Mark, MarkState, read_mark};
use super::{Shard, ShardError, bloom::Bloom, keys, stage};

impl Machine for Shard {
    fn load(&self, state: &Keyspace) -> Result<(), MachineError> {
        self.loads.fetch_add(1, Ordering::AcqRel);
        self.load_all(state)?;
        self.loads.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn apply(&self, command: &[u8], tx: &mut Transition<'_>) -> Result<Vec<u8>, MachineError> {
        // A command that was committed but cannot be read is damage, or of a newer program: going on would make replicas differ.
        let command: ShardCommand = codec::decode(command).map_err(ShardError::from)?;
        let reply = match command {
            ShardCommand::Suppress(Addition { number, registry, suppression }) => {
                self.suppress(number, registry, suppression, tx)?
            }
            ShardCommand::Release { request, number, registry, entries, .. } => {
                self.release(request, number, registry, &entries, tx)?
            }
            ShardCommand::Stage { registry, version, ancestry, run } => {
                self.stage((registry, version), ancestry, run, tx)?
            }
            ShardCommand::Seal { registry, version, ancestry } => self.seal((registry, version), ancestry, tx)?,
            ShardCommand::Drop { registry, version } => self.drop_version((registry, version), tx)?,
            ShardCommand::Barrier { revision } => self.apply_barrier(revision, tx)?,
            _ => ShardReply::Refused(ShardRefusal::BadRun),
        };
        Ok(codec::encode(&reply))
    }

    fn appended(&self, at: LogPosition, command: &[u8]) {
        match codec::decode(command) {
            Ok(ShardCommand::Suppress(Addition { number, registry, suppression })) => {
                self.overlay.add(at.index, number, registry, suppression)
            }
            Ok(ShardCommand::Barrier { revision }) => {
                self.barrier.fetch_max(revision, Ordering::AcqRel);
            }
            Ok(_) => {}
            // Applying it will stop the replica; until then, what it would have listed is not acknowledged by us.
            Err(error) => {
                tracing::error!(shard = self.id.0, index = at.index, %error, "log entry cannot be read");
            }
        }
    }

    fn truncated(&self, after_index: u64) {
        // A barrier that leaves the log may stay known: it only asks for a catalog that exists.
        self.overlay.truncate(after_index);
    }

    fn applied(&self, at: LogPosition) {
        self.overlay.drop_applied(at.index);
    }
}

// === impl Shard ===

impl Shard {
    fn load_all(&self, state: &Keyspace) -> Result<(), ShardError> {
        let mut numbers = Vec::new();
        let mut entries = 0;
        super::scan(state, keys::LIVE, |key, value| {
            let number = keys::number_of_live(key)?;
            let known: Entries = codec::decode(value)?;
            entries += known.0.len() as u64;
            if numbers.last() != Some(&number) {
                numbers.push(number);
            }
            Ok(())
        })?;
        let bloom = Bloom::new(numbers.len());
        for number in numbers {
            bloom.insert(PhoneNumber::from_u64(number).map_err(|_| ShardError::Key(9))?);
        }
        let mut requests = Requests::default();
        super::scan(state, keys::REQUEST, |key, value| {
            let _ = requests.remember(keys::index_of_request(key)?, codec::decode(value)?);
            Ok(())
        })?;
        if let Some(bytes) = state.get(keys::BARRIER)? {
            self.barrier.fetch_max(codec::decode(&bytes)?, Ordering::AcqRel);
        }
        self.versions.load(state)?;
        self.bloom.replace(bloom);
        *self.requests.lock() = requests;
        self.live_entries.store(entries, Ordering::Relaxed);
        *self.state.write() = Some(state.clone());
        Ok(())
    }

    fn suppress(
        &self,
        number: PhoneNumber,
        registry: RegistryId,
        suppression: Suppression,
        tx: &mut Transition<'_>,
    ) -> Result<ShardReply, MachineError> {
        if let Some(refused) = self.refuse_foreign(number) {
            return Ok(refused);
        }
        let subject = Subject { number, registry, added: true };
        if let Some(reply) = self.requests.lock().reply(suppression.id, subject) {
            return Ok(reply);
        }
        let id = suppression.id;
        let key = keys::live(number, registry);
        let mut entries = read_entries(tx.state(), &key)?;
        let reply = entries.suppress(suppression);
        if matches!(reply, ShardReply::Refused(_)) {
            return Ok(reply);
        }
        // Before the record can be read: the filter never says no for a number that has one.
        self.bloom.insert(number);
        tx.put(&key, &codec::encode(&entries));
        self.remember(id, subject, &reply, tx);
        tx.commit()?;
        self.live_entries.fetch_add(1, Ordering::Relaxed);
        self.grow_bloom(tx.state());
        Ok(reply)
    }

    fn release(
        &self,
        request: RequestId,
        number: PhoneNumber,
        registry: RegistryId,
        named: &[RequestId],
        tx: &mut Transition<'_>,
    ) -> Result<ShardReply, MachineError> {
        if let Some(refused) = self.refuse_foreign(number) {
            return Ok(refused);
        }
        let subject = Subject { number, registry, added: false };
        if let Some(reply) = self.requests.lock().reply(request, subject) {
            return Ok(reply);
        }
        let key = keys::live(number, registry);
        let mut entries = read_entries(tx.state(), &key)?;
        let reply = entries.release(named);
        if entries.0.is_empty() {
            tx.delete(&key);
        } else {
            tx.put(&key, &codec::encode(&entries));
        }
        self.remember(request, subject, &reply, tx);
        tx.commit()?;
        if let ShardReply::Released { removed } = reply {
            self.live_entries.fetch_sub(removed, Ordering::Relaxed);
        }
        Ok(reply)
    }

    fn stage(
        &self,
        key: (RegistryId, VersionId),
        ancestry: Vec<VersionId>,
        run: Run,
        tx: &mut Transition<'_>,
    ) -> Result<ShardReply, MachineError> {
        if let Err(refusal) = stage::check(&run, self.id, self.shards) {
            return Ok(ShardReply::Refused(refusal));
        }
        let mark = read_mark(tx.state(), key)?;
        match mark.as_ref().map(|mark| mark.state) {
            Some(MarkState::Sealed(_)) => return Ok(ShardReply::Refused(ShardRefusal::Sealed)),
            Some(MarkState::Dropped) => return Ok(ShardReply::Refused(ShardRefusal::Dropped)),
            Some(MarkState::Staging) | None => {}
        }
        let Some(parent) = self.parent(&ancestry, key.0, tx.state())? else {
            return Ok(ShardReply::Refused(ShardRefusal::BadRun));
        };
        let difference = stage::compare(run, &parent);
        for (id, block) in &difference.differs {
            tx.put(&keys::block(key.0, *id, key.1), block.as_bytes());
        }
        for id in &difference.same {
            if self.versions.has_staged(key, *id) {
                tx.delete(&keys::block(key.0, *id, key.1));
            }
        }
        if mark.is_none() {
            put_mark(key, ancestry, MarkState::Staging, tx);
        }
        tx.commit()?;
        self.versions.staged(key, difference.differs, &difference.same);
        Ok(ShardReply::Staged(difference.changed))
    }

    fn seal(
        &self,
        key: (RegistryId, VersionId),
        ancestry: Vec<VersionId>,
        tx: &mut Transition<'_>,
    ) -> Result<ShardReply, MachineError> {
        match read_mark(tx.state(), key)?.map(|mark| mark.state) {
            Some(MarkState::Sealed(seal)) => return Ok(ShardReply::Sealed(seal)),
            Some(MarkState::Dropped) => return Ok(ShardReply::Refused(ShardRefusal::Dropped)),
            Some(MarkState::Staging) | None => {}
        }
        let Some(parent) = self.parent(&ancestry, key.0, tx.state())? else {
            return Ok(ShardReply::Refused(ShardRefusal::BadRun));
        };
        let staged = self.versions.staging(key);
        let resident = Arc::new(parent.with(staged.iter()));
        let seal = resident.seal();
        put_mark(key, ancestry, MarkState::Sealed(seal), tx);
        tx.commit()?;
        self.versions.sealed(key, resident);
        Ok(ShardReply::Sealed(seal))
    }

    fn drop_version(&self, key: (RegistryId, VersionId), tx: &mut Transition<'_>) -> Result<ShardReply, MachineError> {
        if let Some(MarkState::Sealed(_)) = read_mark(tx.state(), key)?.map(|mark| mark.state) {
            // A sealed version may be another one's parent; deleting those is the catalog's decision, not a load's.
            return Ok(ShardReply::Refused(ShardRefusal::Sealed));
        }
        for id in self.versions.staging(key).keys() {
            tx.delete(&keys::block(key.0, *id, key.1));
        }
        put_mark(key, Vec::new(), MarkState::Dropped, tx);
        tx.commit()?;
        self.versions.dropped(key);
        Ok(ShardReply::Done)
    }

    fn apply_barrier(&self, revision: u64, tx: &mut Transition<'_>) -> Result<ShardReply, MachineError> {
        let known: u64 = match tx.state().get(keys::BARRIER)? {
            Some(bytes) => codec::decode(&bytes).map_err(ShardError::from)?,
            None => 0,
        };
        if revision > known {
            tx.put(keys::BARRIER, &codec::encode(&revision));
            tx.commit()?;
        }
        Ok(ShardReply::Done)
    }

    /// The content of the version that a new one is made from: empty for a first version, `None` if it is not complete here.
    fn parent(
        &self,
        ancestry: &[VersionId],
        registry: RegistryId,
        state: &Keyspace,
    ) -> Result<Option<Arc<super::Resident>>, ShardError> {
        let Some(parent) = ancestry.first() else {
            return Ok(Some(Arc::default()));
        };
        match self.versions.content(state, (registry, *parent)) {
            Ok(content) => Ok(Some(content)),
            Err(ShardError::NotSealed(..)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn refuse_foreign(&self, number: PhoneNumber) -> Option<ShardReply> {
        (number.block().shard(self.shards) != self.id.0).then_some(ShardReply::Refused(ShardRefusal::WrongShard))
    }

    /// Remembers a request in the same write as what it changes.
    fn remember(&self, request: RequestId, subject: Subject, reply: &ShardReply, tx: &mut Transition<'_>) {
        let index = tx.at().index;
        let answered = Answered { request, subject, reply: reply.clone() };
        tx.put(&keys::request(index), &codec::encode(&answered));
        if let Some(forgotten) = self.requests.lock().remember(index, answered) {
            tx.delete(&keys::request(forgotten));
        }
    }

    /// Grows the filter in the background when it is nearly full.
    fn grow_bloom(&self, state: &Keyspace) {
        let Some(growth) = self.bloom.grow() else {
            return;
        };
        // What is written from now on goes into both sizes, so reading what is there now completes the larger one.
        let (state, bloom, shard) = (state.clone(), self.bloom.clone(), self.id.0);
        let spawned = std::thread::Builder::new().name(format!("bloom-{shard}")).spawn(move || {
            let filled = super::scan(&state, keys::LIVE, |key, _| {
                let number = keys::number_of_live(key)?;
                growth.insert(PhoneNumber::from_u64(number).map_err(|_| ShardError::Key(9))?);
                Ok(())
            });
            match filled {
                Ok(()) => bloom.grown(growth),
                Err(error) => {
                    tracing::error!(shard, %error, "grow the bloom filter");
                    bloom.give_up();
                }
            }
        });
        if let Err(error) = spawned {
            tracing::error!(shard, %error, "start growing the bloom filter");
            self.bloom.give_up();
        }
    }
}

/// The entries of a number in a registry.
pub(super) fn read_entries(state: &Keyspace, key: &[u8]) -> Result<Entries, ShardError> {
    match state.get(key)? {
        Some(bytes) => Ok(codec::decode(&bytes)?),
        None => Ok(Entries::default()),
    }
}

fn put_mark(key: (RegistryId, VersionId), ancestry: Vec<VersionId>, state: MarkState, tx: &mut Transition<'_>) {
    let mark = Mark { ancestry, state };
    tx.put(&keys::version(key.0, key.1), &codec::encode(&mark));
}

// === impl From<ShardError> for MachineError ===

impl From<ShardError> for MachineError {
    fn from(error: ShardError) -> Self {
        MachineError::new(error)
    }
}
