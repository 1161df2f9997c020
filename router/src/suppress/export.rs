//! All entries of a tenant that stand, as text, in the order of their numbers.
//!
//! The text is made while it is read: a page of each shard is held, and a few pieces. It is whole
//! only if its stream ends well; an export that cannot go on ends in an error.

use std::time::Duration;

use dnc_core::ids::{RegistryId, TenantId};
use dnc_core::query::{By, Entry, MAX_PAGE, Search};
use futures::Stream;
use prost::bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::search::{name, shards};
use super::target::live;
use super::walk::Walk;
use super::{Error, Format, Suppressions};
use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::entries::SuppressionShown;

/// Bytes in one piece of the text, about.
const PIECE: usize = 64 << 10;
/// Pieces that wait for a slow reader.
const AHEAD: usize = 4;
/// How long a reader may take for a piece.
const IDLE: Duration = Duration::from_secs(60);
/// How long an export may take in all.
const LIMIT: Duration = Duration::from_secs(4 * 3_600);
/// Entries that are asked of all shards together at a time.
const WANTED: usize = 8_192;

/// The text of an export.
pub struct Export {
    pieces: mpsc::Receiver<Piece>,
}

enum Piece {
    Text(Bytes),
    /// That was all.
    End,
    Failed(Error),
}

// === impl Export ===

impl Export {
    /// Its pieces. The last is an error unless the text is whole.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        futures::stream::unfold(Some(self.pieces), async |pieces| {
            let mut pieces = pieces?;
            match pieces.recv().await {
                Some(Piece::Text(text)) => Some((Ok(text), Some(pieces))),
                Some(Piece::End) => None,
                Some(Piece::Failed(why)) => Some((Err(why), None)),
                // Whoever made it gave up: a reader that goes on after all must not take what it has for all.
                None => Some((Err(Error::Cut("its reader was too slow".into())), None)),
            }
        })
    }
}

// === impl Suppressions ===

impl<C: Cluster> Suppressions<C> {
    /// All entries of a tenant, or those of one registry.
    pub async fn export(&self, tenant: TenantId, format: Format, registry: &str) -> Result<Export, Error> {
        let slot = self.stream_slot()?;
        let known = self.catalog(&[]).await?;
        let only = match registry {
            "" => None,
            name => Some(live(&known, tenant, name)?.id),
        };
        let mut walk = self.all(tenant, only, known.catalog.shard_map.shards());
        // What cannot begin is refused; later there is only the text's end to tell it by.
        walk.has_more().await?;
        let (sender, pieces) = mpsc::channel(AHEAD);
        let cluster = self.cluster.clone();
        tokio::spawn(async move {
            let sent = tokio::time::timeout(LIMIT, write(&cluster, walk, format, &sender)).await;
            let last = match sent {
                Ok(Ok(())) => Piece::End,
                Ok(Err(Error::Cut(why))) => {
                    tracing::info!(why, "export ended early");
                    return;
                }
                Ok(Err(why)) => Piece::Failed(Error::Cut(why.to_string())),
                Err(_) => Piece::Failed(Error::Cut("it took too long".into())),
            };
            // The reader may have left.
            let _ = sender.send_timeout(last, IDLE).await;
            drop(slot);
        });
        Ok(Export { pieces })
    }

    fn all(&self, tenant: TenantId, registry: Option<RegistryId>, count: u32) -> Walk<C> {
        let by = By::Number { first: 0, last: u64::MAX };
        let shards = shards(&by, count);
        let search = Search { tenant, by, registry, after: None, limit: MAX_PAGE };
        Walk::new(self.cluster.clone(), search, shards, WANTED, self.limit, None)
    }
}

async fn write<C: Cluster>(
    cluster: &C,
    mut walk: Walk<C>,
    format: Format,
    sender: &mpsc::Sender<Piece>,
) -> Result<(), Error> {
    let started = Instant::now();
    let mut text = format.head();
    let mut count = 0_u64;
    let mut group: Vec<Entry> = Vec::new();
    loop {
        let next = walk.next().await?;
        let same = |next: &Entry| group.first().is_none_or(|first| first.number == next.number);
        if !next.as_ref().is_some_and(same) {
            count += group.len() as u64;
            lines(cluster, std::mem::take(&mut group), format, &mut text);
        }
        if text.len() >= PIECE || (next.is_none() && !text.is_empty()) {
            let piece = Piece::Text(std::mem::take(&mut text).into());
            let sent = sender.send_timeout(piece, IDLE).await;
            sent.map_err(|_| Error::Cut("its reader left or was too slow".into()))?;
        }
        match next {
            Some(entry) => group.push(entry),
            None => break,
        }
    }
    tracing::info!(entries = count, took = ?started.elapsed(), "suppressions exported");
    Ok(())
}

/// The entries of one number, in an order that does not depend on where they are kept.
fn lines<C: Cluster>(cluster: &C, group: Vec<Entry>, format: Format, text: &mut Vec<u8>) {
    let known = cluster.known();
    let now = now_ms();
    let standing = group.into_iter().filter(|entry| entry.suppression.expires_ms.is_none_or(|end| end > now));
    let mut named: Vec<(String, Entry)> = standing.map(|entry| (name(&known, entry.registry), entry)).collect();
    named.sort_by(|(one_name, one), (other_name, other)| {
        let key = |entry: &Entry| (entry.suppression.added_ms, entry.suppression.id);
        one_name.cmp(other_name).then_with(|| key(one).cmp(&key(other)))
    });
    for (registry, entry) in named {
        text.extend(format.line(&SuppressionShown::of(entry, &registry)));
    }
}
