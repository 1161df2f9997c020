//! URLs of sources: parsed once, and shown without user, key and query.

use std::fmt;

use reqwest::Url;

/// Longest URL of a source, bytes.
const MAX_URL: usize = 2_048;

/// Where lists come from.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    text: String,
    url: Url,
}

/// A text that names no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlace {
    /// Too long.
    #[error("a source's URL has at most {MAX_URL} bytes")]
    TooLong,
    /// Not a URL.
    #[error("a source is a URL, such as https://lists.example/federal.zip")]
    NotAUrl,
    /// Of another kind.
    #[error("a source is file://, http://, https://, s3:// or sftp://")]
    Scheme,
    /// No folder on this machine.
    #[error("a watched folder is file:// and an absolute path, such as file:///var/lists")]
    NoFolder,
    /// No host or bucket.
    #[error("the source's URL names no host or bucket")]
    NoHost,
    /// A password or key where everybody can read it.
    #[error("a source's URL holds no password; give it as the registry's key, which is stored encrypted")]
    Password,
}

// === impl Place ===

impl Place {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, BadPlace> {
        if text.len() > MAX_URL {
            return Err(BadPlace::TooLong);
        }
        let url = Url::parse(text).map_err(|_| BadPlace::NotAUrl)?;
        match url.scheme() {
            "file" if url.to_file_path().is_err() => return Err(BadPlace::NoFolder),
            "file" => {}
            "http" | "https" | "s3" | "sftp" if url.host_str().is_none_or(str::is_empty) => {
                return Err(BadPlace::NoHost);
            }
            "http" | "https" | "s3" | "sftp" => {}
            _ => return Err(BadPlace::Scheme),
        }
        if url.password().is_some() {
            return Err(BadPlace::Password);
        }
        Ok(Self { text: text.into(), url })
    }

    /// The URL itself: it may hold what is not for everybody.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The URL as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The path with its escapes undone.
    pub fn path(&self) -> String {
        let bytes = self.url.path().as_bytes();
        let mut path = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let escaped = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
            let escaped = escaped.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
            path.push(escaped.unwrap_or(*byte));
            at += if escaped.is_some() { 3 } else { 1 };
        }
        String::from_utf8_lossy(&path).into_owned()
    }

    /// Whether it is one of these places or below one of them: of the same kind, host and user, and no way up.
    pub fn is_below(&self, places: &[String]) -> bool {
        let of = |place: &Place| place.path().split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let own: Vec<String> = of(self);
        let leaves = own.iter().any(|name| name == ".." || name == ".");
        let at = |place: &Place| {
            let url = &place.url;
            (url.scheme().to_owned(), url.username().to_owned(), url.host_str().map(str::to_owned), url.port())
        };
        let holds = |place: Place| at(&place) == at(self) && own.starts_with(&of(&place));
        !leaves && places.iter().any(|place| Place::parse(place).is_ok_and(holds))
    }

    /// What kind of source it is.
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.url.path().replace("%7Bdate%7D", "{date}"))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_without_user_and_query() {
        let place = Place::parse("https://me@lists.example:8443/a/b.zip?token=secret#x").expect("a place");
        assert_eq!(place.to_string(), "https://lists.example:8443/a/b.zip");
        assert_eq!(format!("{place:?}"), place.to_string());
    }

    #[test]
    fn a_path_has_its_escapes_undone() {
        let place = Place::parse("sftp://h/a%20b/c%C3%A9%").expect("a place");
        assert_eq!(place.path(), "/a b/cé%");
    }

    #[test]
    fn a_place_is_below_itself_and_its_parents_of_the_same_kind_and_host() {
        let places = ["file:///var/backups/", "s3://ours/dnc", "https://lists.example:8443/a"].map(str::to_owned);
        let is_below = |text: &str| Place::parse(text).expect("a place").is_below(&places);
        for inside in [
            "file:///var/backups",
            "file:///var/backups/2026/x",
            "s3://ours/dnc/",
            "s3://ours/dnc/a%20b",
            "https://lists.example:8443/a/b.zip?token=x",
        ] {
            assert!(is_below(inside), "{inside}");
        }
        for outside in [
            "file:///var",
            "file:///var/backups2",
            "file:///var/backups/../x",
            "file:///var/backups/%2e%2e/x",
            "file:///var/backups/..%2f..%2fetc",
            "s3://ours",
            "s3://theirs/dnc",
            "https://lists.example/a",
            "http://lists.example:8443/a",
            "https://me@lists.example:8443/a",
            "sftp://ours/dnc",
        ] {
            assert!(!is_below(outside), "{outside}");
        }
        assert!(!Place::parse("file:///x").expect("a place").is_below(&[]));
    }

    #[test]
    fn every_kind_of_source_reads_and_nothing_else() {
        for good in ["file:///lists", "http://h/x", "https://h/{date}.zip", "s3://bucket/a/b", "sftp://u@h:2222/lists"]
        {
            assert_eq!(Place::parse(good).map(|_| ()), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("lists", BadPlace::NotAUrl),
            ("ftp://h/x", BadPlace::Scheme),
            ("file://host/x", BadPlace::NoFolder),
            ("s3:///x", BadPlace::NoHost),
            ("sftp://u:secret@h/x", BadPlace::Password),
        ] {
            assert_eq!(Place::parse(bad), Err(why), "{bad}");
        }
        assert_eq!(Place::parse(&format!("http://h/{}", "x".repeat(MAX_URL))), Err(BadPlace::TooLong));
    }
}
