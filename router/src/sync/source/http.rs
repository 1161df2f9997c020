//! One file over HTTP, with all that can go wrong there: refusals, time limits, silence, bodies that are cut off.

use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use jiff::civil::Date;
use reqwest::header::{self, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url, Version};

use super::{Again, Fetched, Offer, Place, SourceError, is_list};
use crate::clock::now_ms;
use crate::sync::options::SyncOptions;
use crate::sync::pace::RateLimit;
use crate::sync::spool::Spool;
use crate::telemetry;

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 5;
/// Stands in a URL for the date of the list.
const DATE: &str = "{date}";
/// How many days before today a list is looked for.
const DAYS_BACK: i64 = 7;

/// The name of a file that has none.
const NAMELESS: &str = "list";

/// Why there is no answer.
#[derive(Debug)]
pub struct Refused {
    /// The status, if that was the answer.
    pub status: Option<StatusCode>,
    /// What it means.
    pub why: SourceError,
}

/// One file over HTTP.
pub struct Http {
    client: Client,
    text: String,
    key: Option<String>,
    today: Date,
    limit: RateLimit,
}

/// A client that bounds connecting, silence and redirects, and never goes from HTTPS to HTTP.
pub fn client(options: &SyncOptions) -> Result<Client, SourceError> {
    // One TLS library for the process; a second installation is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let redirects = Policy::custom(|attempt| {
        let from_https = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
        if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("too many redirects")
        } else if from_https && attempt.url().scheme() != "https" {
            attempt.error("a redirect from HTTPS to HTTP")
        } else {
            attempt.follow()
        }
    });
    Client::builder()
        .user_agent(concat!("dnc/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects)
        .referer(false)
        .connect_timeout(options.connect())
        .read_timeout(options.idle())
        .build()
        .map_err(|why| SourceError::never(format!("prepare for HTTP: {}", reason(why))))
}

/// Sends a request, and sorts what comes back: an answer of 200 or 304, or why there is none.
pub async fn ask(client: &Client, url: Url, key: Option<&str>, known: Option<&str>) -> Result<Response, Refused> {
    // Bytes as they are: their length and hash are checked, and a list is unpacked by whoever reads it.
    let mut request = client.get(url).header(header::ACCEPT_ENCODING, "identity");
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    if let Some(known) = known {
        request = request.header(header::IF_NONE_MATCH, known);
    }
    let response = request.send().await.map_err(|why| Refused { status: None, why: sort_out(why) })?;
    match response.status() {
        StatusCode::OK | StatusCode::NOT_MODIFIED => Ok(response),
        status => {
            if status == StatusCode::TOO_MANY_REQUESTS {
                telemetry::source_rate_limited();
            }
            Err(Refused { status: Some(status), why: refused(status, response.headers(), now_ms()) })
        }
    }
}

// === impl Http ===

impl Http {
    /// The file at a URL.
    pub fn new(
        place: &Place,
        key: Option<&str>,
        today: Date,
        options: &SyncOptions,
        limit: &RateLimit,
    ) -> Result<Self, SourceError> {
        let client = client(options)?;
        Ok(Self { client, text: place.text().into(), key: key.map(str::to_owned), today, limit: limit.clone() })
    }

    /// The one file that there is, of which nothing is known before.
    pub fn offer(&self) -> Offer {
        let name = Url::parse(&self.text).ok().and_then(|url| name_in(&url)).unwrap_or_else(|| NAMELESS.into());
        Offer { name, path: self.text.clone(), bytes: None, modified_ms: None, mark: String::new() }
    }

    /// Downloads it; where the URL names a date, that of the last days for which there is one.
    pub async fn fetch(&self, known: Option<&str>, spool: Spool) -> Result<Fetched, SourceError> {
        if !self.text.contains(DATE) {
            let response = self.get(&self.text, known).await.map_err(|refused| refused.why)?;
            return receive(response, None, spool).await;
        }
        let mut day = self.today;
        for _ in 0..=DAYS_BACK {
            // A mark is of one day's file.
            let known = known.and_then(|known| known.strip_prefix(&format!("{day} ")));
            match self.get(&self.text.replace(DATE, &day.to_string()), known).await {
                Ok(response) => return receive(response, Some(day), spool).await,
                Err(Refused { status: Some(StatusCode::NOT_FOUND), .. }) => {
                    day = day.yesterday().map_err(|_| SourceError::never("there is no earlier day"))?;
                }
                Err(refused) => return Err(refused.why),
            }
        }
        Err(SourceError::never(format!("it has no file of today or of the {DAYS_BACK} days before")))
    }

    async fn get(&self, url: &str, known: Option<&str>) -> Result<Response, Refused> {
        let not_a_url = |_| Refused { status: None, why: SourceError::never("with its date it is no URL") };
        let url = Url::parse(url).map_err(not_a_url)?;
        self.limit.wait().await;
        ask(&self.client, url, self.key.as_deref(), known).await
    }
}

/// Takes the body in. Unless its end can be told from an end too soon, it is not taken.
async fn receive(response: Response, day: Option<Date>, mut spool: Spool) -> Result<Fetched, SourceError> {
    if response.status() == StatusCode::NOT_MODIFIED {
        return Ok(Fetched::Unchanged);
    }
    let headers = response.headers();
    let encoded = headers.get(header::CONTENT_ENCODING).is_some_and(|how| how.as_bytes() != b"identity");
    if encoded {
        return Err(SourceError::never("it sends the file in an encoding that was not asked for"));
    }
    let chunked = headers.contains_key(header::TRANSFER_ENCODING) || response.version() >= Version::HTTP_2;
    let length: Option<u64> = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_none() && !chunked {
        return Err(SourceError::never("it does not say how long the file is, so a cut would not be seen"));
    }
    let name = name_given(headers).or_else(|| name_in(response.url())).unwrap_or_else(|| NAMELESS.into());
    let mark = mark(headers).map_or_else(String::new, |mark| day.map_or(mark.clone(), |day| format!("{day} {mark}")));
    let mut body = response.bytes_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|why| {
            let after = spool.bytes();
            sort_out(why).while_doing(&format!("after {after} bytes"))
        })?;
        spool = spool.write(piece).await?;
    }
    let mut file = spool.finish(name, length)?;
    file.list_date = day;
    Ok(Fetched::Whole { file, mark })
}

/// What a status other than the wanted ones means.
fn refused(status: StatusCode, headers: &HeaderMap, now_ms: u64) -> SourceError {
    let code = status.as_u16();
    let asked = headers.get(header::RETRY_AFTER).and_then(|asked| retry_after(asked.to_str().ok()?, now_ms));
    match (code, asked) {
        (401 | 403, _) => SourceError::never(format!("it answers {code}: it wants another key, or none was given")),
        (404 | 410, _) => SourceError::never(format!("it answers {code}: there is no such file")),
        (429 | 503, Some(asked)) => SourceError {
            what: format!("it answers {code} and asks to be left alone for {} s", asked.as_secs()),
            again: Again::After(asked),
        },
        (408 | 425 | 429 | 500..=599, _) => SourceError::later(format!("it answers {code}")),
        _ => SourceError::never(format!("it answers {code}")),
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(text: &str, now_ms: u64) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    let at_ms = u64::try_from(Timestamp::as_millisecond(at)).ok()?;
    Some(Duration::from_millis(at_ms.saturating_sub(now_ms)))
}

/// The file's mark, if it is one that changes with every byte.
fn mark(headers: &HeaderMap) -> Option<String> {
    let mark = headers.get(header::ETAG)?.to_str().ok()?;
    (mark.starts_with('"') && mark.len() <= 256).then(|| mark.to_owned())
}

/// The name that the server gives the file.
fn name_given(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_DISPOSITION)?.to_str().ok()?;
    let value = text.split(';').find_map(|part| part.trim().strip_prefix("filename="))?;
    let name = value.trim().trim_matches('"').rsplit(['/', '\\']).next()?;
    is_list(name).then(|| name.to_owned())
}

/// The name of the file in a URL's path.
fn name_in(url: &Url) -> Option<String> {
    let last = url.path_segments()?.next_back()?;
    // Names with other characters are shown as they stand in the URL.
    let name = last.replace("%20", " ");
    is_list(&name).then_some(name)
}

/// Why there was no answer, without the URL: it may hold a key.
fn sort_out(error: reqwest::Error) -> SourceError {
    let (redirect, timeout, connect) = (error.is_redirect(), error.is_timeout(), error.is_connect());
    let why = reason(error);
    if redirect {
        SourceError::never(format!("it redirects where it should not: {why}"))
    } else if timeout && connect {
        SourceError::later("the connection did not open in time")
    } else if timeout {
        SourceError::later("it fell silent")
    } else if connect {
        SourceError::later(format!("connect: {why}"))
    } else {
        SourceError::later(format!("the connection broke: {why}"))
    }
}

/// The innermost cause in words.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_asks_to_be_left_alone_in_seconds_or_until_a_date() {
        let now_ms = 784_111_767_000; // 1994-11-06 08:49:27
        assert_eq!(retry_after("120", now_ms), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now_ms), Some(Duration::from_secs(10)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:17 GMT", now_ms), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now_ms), None);
    }

    #[test]
    fn a_file_is_named_by_its_server_or_its_path_and_never_by_a_folder() {
        let headers =
            |value: &str| HeaderMap::from_iter([(header::CONTENT_DISPOSITION, value.parse().expect("a header"))]);
        let given = name_given(&headers("attachment; filename=\"../2026-11-9_201_x.txt\""));
        assert_eq!(given.as_deref(), Some("2026-11-9_201_x.txt"));
        assert_eq!(name_given(&headers("inline")), None);
        let named = |url: &str| name_in(&Url::parse(url).expect("a URL"));
        assert_eq!(named("http://h/a/b%20c.txt?key=secret").as_deref(), Some("b c.txt"));
        assert_eq!(named("http://h/a/"), None);
    }

    #[test]
    fn only_a_mark_that_changes_with_every_byte_counts() {
        let headers = |value: &str| HeaderMap::from_iter([(header::ETAG, value.parse().expect("a header"))]);
        assert_eq!(mark(&headers("\"abc\"")).as_deref(), Some("\"abc\""));
        assert_eq!(mark(&headers("W/\"abc\"")), None);
    }
}
