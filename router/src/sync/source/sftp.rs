//! Files of a folder on an SFTP server, in pure Rust: no `ssh` needs to be there.
//!
//! The server must prove that it has a key that the file of known hosts names. A file counts once it has been left alone
//! for the settle time by the server's clock, and only if it has the same size and time before and after it was read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prost::bytes::Bytes;
use russh::client::{self, Handle};
use russh::keys::{self, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Disconnect, Error as SshError};
use russh_sftp::client::SftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{FileAttributes, StatusCode};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::{Fetched, MAX_OFFERS, Offer, Place, SourceError, is_list, too_many};
use crate::sync::options::SyncOptions;
use crate::sync::pace::RateLimit;
use crate::sync::spool::Spool;

/// Bytes read at a time.
const PIECE: usize = 256 << 10;

/// Files of a folder on an SFTP server.
pub struct Sftp {
    host: String,
    port: u16,
    user: String,
    folder: String,
    identity: Identity,
    known_hosts: PathBuf,
    settle_ms: u64,
    connect: Duration,
    idle: Duration,
    limit: RateLimit,
}

/// How this side proves who it is.
enum Identity {
    /// By a private key.
    Key(Arc<PrivateKey>),
    /// By a password.
    Password(String),
}

/// Looks at the server's key.
struct HostKey {
    host: String,
    port: u16,
    known_hosts: PathBuf,
    refused: Arc<Mutex<Option<&'static str>>>,
}

/// A session; ends when it is dropped.
struct Session {
    handle: Handle<HostKey>,
    sftp: SftpSession,
}

// === impl Handler for HostKey ===

impl client::Handler for HostKey {
    type Error = SshError;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, SshError> {
        let refused = match key {
            PublicKeyOrCertificate::Certificate(_) => Some("it has a certificate, and a plain key is expected"),
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                match keys::check_known_hosts_path(&self.host, self.port, key, &self.known_hosts) {
                    Ok(true) => None,
                    Ok(false) => Some("its host key is not in the file of known hosts"),
                    Err(keys::Error::KeyChanged { .. }) => Some("it has another host key than the known one"),
                    Err(_) => Some("the file of known hosts cannot be read"),
                }
            }
        };
        *self.refused.lock() = refused;
        Ok(refused.is_none())
    }
}

// === impl Sftp ===

impl Sftp {
    /// The folder of an `sftp://` URL. A registry's key is a password, or a private key in OpenSSH's form; without one
    /// the private key is in the file that the options name.
    pub fn new(
        place: &Place,
        key: Option<&str>,
        options: &SyncOptions,
        limit: &RateLimit,
    ) -> Result<Self, SourceError> {
        let url = place.url();
        if url.username().is_empty() {
            return Err(SourceError::never("the URL names no user: sftp://user@host/folder"));
        }
        let path = place.path();
        // What begins with ~ is in the user's home folder, where a relative path is too.
        let folder = path.strip_prefix("/~/").map_or(path.as_str(), |home| if home.is_empty() { "." } else { home });
        let known_hosts = match options.sftp_known_hosts.as_str() {
            "" => std::env::home_dir().unwrap_or_default().join(".ssh").join("known_hosts"),
            given => PathBuf::from(given),
        };
        Ok(Self {
            host: url.host_str().unwrap_or_default().trim_matches(['[', ']']).into(),
            port: url.port().unwrap_or(22),
            user: url.username().into(),
            folder: folder.into(),
            identity: Identity::of(key, &options.sftp_key_file)?,
            known_hosts,
            settle_ms: options.settle_s * 1_000,
            connect: options.connect(),
            idle: options.idle(),
            limit: limit.clone(),
        })
    }

    /// The files in the folder.
    pub async fn list(&self, now_ms: u64) -> Result<Vec<Offer>, SourceError> {
        let session = self.open().await?;
        let listed = session.sftp.read_dir(self.folder.as_str()).await;
        let entries = listed.map_err(|why| sort_out(&why, "list the folder"))?;
        let settled_s = now_ms.saturating_sub(self.settle_ms) / 1_000;
        let mut offers = Vec::new();
        for entry in entries {
            let (name, metadata) = (entry.file_name(), entry.metadata());
            let settled = metadata.mtime.is_none_or(|mtime| u64::from(mtime) <= settled_s);
            if !metadata.file_type().is_file() || !is_list(&name) || name.contains('/') || !settled {
                continue;
            }
            if offers.len() == MAX_OFFERS {
                return Err(too_many());
            }
            offers.push(Offer {
                path: entry.path(),
                name,
                bytes: metadata.size,
                modified_ms: metadata.mtime.map(|mtime| u64::from(mtime) * 1_000),
                mark: mark(&metadata),
            });
        }
        session.close().await;
        Ok(offers)
    }

    /// Downloads a file, if it is still the one that was listed, and stays so while it is read.
    pub async fn fetch(&self, offer: &Offer, mut spool: Spool) -> Result<Fetched, SourceError> {
        let failed = |why: SftpError| sort_out(&why, "read the file");
        let session = self.open().await?;
        let mut file = session.sftp.open(offer.path.as_str()).await.map_err(failed)?;
        let before = file.metadata().await.map_err(failed)?;
        if mark(&before) != offer.mark {
            return Err(SourceError::later("the file changed after it was listed"));
        }
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let read = timeout(self.idle, (&mut file).take(PIECE as u64).read_to_end(&mut piece)).await;
            let read = read.map_err(|_| SourceError::later("it fell silent"))?;
            read.map_err(|why| SourceError::later(format!("read the file: {}", why.kind())))?;
            if piece.is_empty() {
                break;
            }
            spool = spool.write(Bytes::from(piece)).await?;
        }
        let after = file.metadata().await.map_err(failed)?;
        if mark(&after) != offer.mark {
            return Err(SourceError::later("the file changed while it was read"));
        }
        session.close().await;
        let file = spool.finish(offer.name.clone(), before.size)?;
        Ok(Fetched::Whole { file, mark: offer.mark.clone() })
    }

    async fn open(&self) -> Result<Session, SourceError> {
        self.limit.wait().await;
        let opened = timeout(self.connect, self.connect()).await;
        opened.map_err(|_| SourceError::later("the connection did not open in time"))?
    }

    async fn connect(&self) -> Result<Session, SourceError> {
        let refused = Arc::new(Mutex::new(None));
        let host_key = HostKey {
            host: self.host.clone(),
            port: self.port,
            known_hosts: self.known_hosts.clone(),
            refused: Arc::clone(&refused),
        };
        let config = client::Config { inactivity_timeout: Some(self.idle), nodelay: true, ..client::Config::default() };
        let connected = client::connect(Arc::new(config), (self.host.as_str(), self.port), host_key).await;
        let mut handle = connected.map_err(|why| match *refused.lock() {
            Some(why) => SourceError::never(why),
            None => broken(&why, "connect"),
        })?;
        self.prove(&mut handle).await?;
        let failed = |why: SshError| broken(&why, "begin to speak SFTP");
        let channel = handle.channel_open_session().await.map_err(failed)?;
        channel.request_subsystem(true, "sftp").await.map_err(failed)?;
        let session = SftpSession::new(channel.into_stream()).await;
        let sftp = session.map_err(|why| sort_out(&why, "begin to speak SFTP"))?;
        sftp.set_timeout(self.idle.as_secs().max(1));
        Ok(Session { handle, sftp })
    }

    /// Proves to the server who this is.
    async fn prove(&self, handle: &mut Handle<HostKey>) -> Result<(), SourceError> {
        let failed = |why: SshError| broken(&why, "log in");
        let answer = match &self.identity {
            Identity::Password(password) => handle.authenticate_password(&self.user, password).await.map_err(failed)?,
            Identity::Key(key) => {
                let hash = handle.best_supported_rsa_hash().await.map_err(failed)?.flatten();
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
                handle.authenticate_publickey(&self.user, key).await.map_err(failed)?
            }
        };
        if answer.success() {
            Ok(())
        } else {
            Err(SourceError::never("it does not let this user in with this key or password"))
        }
    }
}

// === impl Identity ===

impl Identity {
    fn of(key: Option<&str>, file: &str) -> Result<Self, SourceError> {
        // The reason may repeat a part of the key.
        let unreadable =
            |_| SourceError::never("the private key cannot be read; OpenSSH's form without a passphrase is");
        match key {
            Some(text) if text.contains("PRIVATE KEY") => {
                keys::decode_secret_key(text, None).map(|key| Identity::Key(Arc::new(key))).map_err(unreadable)
            }
            Some(password) => Ok(Identity::Password(password.into())),
            None if file.is_empty() => Err(SourceError::never(
                "there is nothing to log in with: give the registry a key, or set sync.sftp_key_file",
            )),
            None => {
                keys::load_secret_key(Path::new(file), None).map(|key| Identity::Key(Arc::new(key))).map_err(unreadable)
            }
        }
    }
}

// === impl Session ===

impl Session {
    /// Says goodbye; whoever does not is cut off.
    async fn close(self) {
        let goodbye = async {
            let _ = self.sftp.close().await;
            let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
        };
        let _ = timeout(Duration::from_secs(2), goodbye).await;
    }
}

/// Changes when the file does, as far as the server tells.
fn mark(metadata: &FileAttributes) -> String {
    format!("{}-{}", metadata.size.unwrap_or_default(), metadata.mtime.unwrap_or_default())
}

fn sort_out(error: &SftpError, doing: &str) -> SourceError {
    match error {
        SftpError::Status(status) if status.status_code == StatusCode::NoSuchFile => {
            SourceError::never(format!("{doing}: there is none"))
        }
        SftpError::Status(status) if status.status_code == StatusCode::PermissionDenied => {
            SourceError::never(format!("{doing}: it is not allowed"))
        }
        SftpError::Timeout => SourceError::later(format!("{doing}: it fell silent")),
        _ => SourceError::later(format!("{doing}: the connection broke, or the server failed")),
    }
}

fn broken(error: &SshError, doing: &str) -> SourceError {
    match error {
        SshError::IO(why) => SourceError::later(format!("{doing}: {}", why.kind())),
        SshError::NoCommonAlgo { .. } => SourceError::never(format!("{doing}: both sides have no algorithm in common")),
        _ => SourceError::later(format!("{doing}: the connection broke")),
    }
}
