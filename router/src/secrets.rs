//! Keys of providers, encrypted before they leave this process: AES-256-GCM under a key that the catalog never holds.
//!
//! The registry's id is the associated data, so that a sealed key put into another registry does not open there. What
//! is sealed is opened only where a list is fetched; it is never shown, and never logged.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aes_gcm::aead::{Aead, Generate, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dnc_core::ids::RegistryId;
use dnc_core::registry::SealedKey;
use zeroize::Zeroizing;

/// The variable that holds the key where no file does.
pub const VARIABLE: &str = "DNC_SECRET_KEY";
/// Longest key of a provider, bytes.
pub const MAX_KEY: usize = 4_096;
/// Most bytes of a key file that are read: much more than a key has.
const MAX_FILE: u64 = 4_096;

/// What seals and opens keys of providers. Clones share it.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<Aes256Gcm>>);

/// Why there is no key to encrypt with.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// The file cannot be read.
    #[error("read the key file {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// The file holds no key.
    #[error("the key file {} must hold 32 bytes, as 64 hexadecimal digits or in base64", .0.display())]
    File(PathBuf),
    /// The variable holds no key.
    #[error("{VARIABLE} must hold 32 bytes, as 64 hexadecimal digits or in base64")]
    Variable,
}

/// Why a provider's key is not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// This router has no key to encrypt with.
    #[error("this router has no key to encrypt it with: set secret_key_file or {VARIABLE}")]
    None,
    /// It was sealed under another key, for another registry, or changed since.
    #[error("the stored key does not open: it was sealed under another secret key; give it again")]
    Sealed,
    /// It is too long, or empty.
    #[error("a key has 1 to {MAX_KEY} bytes")]
    Length,
}

// === impl Secrets ===

impl Secrets {
    /// Reads the key from a file, or from the environment if the file's name is empty; without either there is none.
    pub fn load(file: &Path) -> Result<Secrets, BadKey> {
        if !file.as_os_str().is_empty() {
            let text = read(file).map_err(|why| BadKey::Read(file.into(), why))?;
            return Secrets::from_text(&text).ok_or_else(|| BadKey::File(file.into()));
        }
        match std::env::var(VARIABLE).map(Zeroizing::new) {
            Ok(text) if text.is_empty() => Ok(Secrets::default()),
            Ok(text) => Secrets::from_text(&text).ok_or(BadKey::Variable),
            Err(std::env::VarError::NotPresent) => Ok(Secrets::default()),
            Err(std::env::VarError::NotUnicode(_)) => Err(BadKey::Variable),
        }
    }

    /// Reads 32 bytes, hexadecimal or base64.
    fn from_text(text: &str) -> Option<Secrets> {
        let text = text.trim();
        let bytes = Zeroizing::new(match text.len() {
            64 => unhex(text)?,
            _ => STANDARD.decode(text).ok()?,
        });
        // Takes 32 bytes and no others.
        Aes256Gcm::new_from_slice(&bytes).ok().map(|cipher| Secrets(Some(Arc::new(cipher))))
    }

    /// Whether keys can be sealed and opened.
    pub fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// Encrypts a provider's key for a registry.
    pub fn seal(&self, registry: RegistryId, key: &str) -> Result<SealedKey, SecretError> {
        let cipher = self.0.as_ref().ok_or(SecretError::None)?;
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(SecretError::Length);
        }
        let nonce = Nonce::generate();
        let payload = Payload { msg: key.as_bytes(), aad: &associated(registry) };
        let ciphertext = cipher.encrypt(&nonce, payload).map_err(|_| SecretError::Length)?;
        Ok(SealedKey { nonce: nonce.into(), ciphertext })
    }

    /// Decrypts a registry's key.
    pub fn open(&self, registry: RegistryId, sealed: &SealedKey) -> Result<String, SecretError> {
        let cipher = self.0.as_ref().ok_or(SecretError::None)?;
        let payload = Payload { msg: &sealed.ciphertext, aad: &associated(registry) };
        let opened = cipher.decrypt(&Nonce::from(sealed.nonce), payload).map_err(|_| SecretError::Sealed)?;
        String::from_utf8(opened).map_err(|_| SecretError::Sealed)
    }
}

impl fmt::Debug for Secrets {
    /// Shows whether there is a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.are_there() { "Secrets(…)" } else { "Secrets(none)" })
    }
}

/// Names what is sealed, so that nothing else that is ever sealed under the same key opens as it.
fn associated(registry: RegistryId) -> [u8; 20] {
    let mut data = *b"dnc/registry-key\0\0\0\0";
    data[16..].copy_from_slice(&registry.0.to_be_bytes());
    data
}

fn read(file: &Path) -> std::io::Result<Zeroizing<String>> {
    use std::io::Read;
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(file)?.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair.get(1)?).ok()).collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Secrets under a key of the test's own.
    pub fn secrets(byte: u8) -> Secrets {
        Secrets::from_text(&format!("{byte:02x}").repeat(32)).expect("a key")
    }

    #[test]
    fn what_is_sealed_for_a_registry_opens_for_it_alone() {
        let secrets = secrets(7);
        let sealed = secrets.seal(RegistryId(1), "provider-key").expect("sealed");
        assert_eq!(secrets.open(RegistryId(1), &sealed).as_deref(), Ok("provider-key"));
        assert_eq!(secrets.open(RegistryId(2), &sealed), Err(SecretError::Sealed));
        assert_eq!(self::secrets(8).open(RegistryId(1), &sealed), Err(SecretError::Sealed));
    }

    #[test]
    fn a_change_of_one_bit_is_found() {
        let secrets = secrets(7);
        let mut sealed = secrets.seal(RegistryId(1), "provider-key").expect("sealed");
        sealed.ciphertext[0] ^= 1;
        assert_eq!(secrets.open(RegistryId(1), &sealed), Err(SecretError::Sealed));
    }

    #[test]
    fn the_same_key_is_sealed_differently_each_time_and_never_in_clear() {
        let secrets = secrets(7);
        let (one, two) = (secrets.seal(RegistryId(1), "provider-key"), secrets.seal(RegistryId(1), "provider-key"));
        let (one, two) = (one.expect("sealed"), two.expect("sealed"));
        assert_ne!(one.nonce, two.nonce);
        assert_ne!(one.ciphertext, two.ciphertext);
        assert!(!one.ciphertext.windows(8).any(|part| b"provider-key".starts_with(part)));
        assert!(!format!("{one:?} {secrets:?}").contains("provider"));
    }

    #[test]
    fn without_a_secret_key_nothing_is_sealed() {
        let none = Secrets::default();
        assert_eq!(none.seal(RegistryId(1), "provider-key"), Err(SecretError::None));
        assert!(SecretError::None.to_string().contains("secret_key_file"));
    }

    #[test]
    fn a_key_file_is_read_in_both_forms_and_refused_in_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        let sealed = secrets(7).seal(RegistryId(1), "provider-key").expect("sealed");
        for text in [format!("{}\n", "07".repeat(32)), STANDARD.encode([7; 32])] {
            std::fs::write(&file, text).expect("written");
            let read = Secrets::load(&file).expect("a key");
            assert_eq!(read.open(RegistryId(1), &sealed).as_deref(), Ok("provider-key"));
        }
        for text in [String::new(), "07".repeat(31), "zz".repeat(32), STANDARD.encode([7; 31])] {
            std::fs::write(&file, &text).expect("written");
            let why = Secrets::load(&file).expect_err("no key");
            assert!(text.is_empty() || !why.to_string().contains(&text), "{why}");
        }
        assert!(matches!(Secrets::load(&folder.path().join("none")), Err(BadKey::Read(..))));
    }
}
