//! Judging a batch of a stream: whose call it is for, and what is wrong with some of its requests.

use std::future::Future;

use dnc_core::ids::TenantId;
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::Asker;
use dnc_proto::{PreparedResponse, v1};
use tokio::time::Instant;

use crate::api::answer;
use crate::api::caller::Caller;
use crate::api::checks::Checks;
use crate::api::grpc::check::too_long;
use crate::cluster::Cluster;
use crate::options::MAX_ID_BYTES;
use crate::telemetry::Api;

/// Cuts a batch where the brand or campaign changes; on most streams nowhere.
pub(super) fn by_call(batch: Vec<v1::CheckRequest>) -> Vec<Vec<v1::CheckRequest>> {
    let is_of = |a: &v1::CheckRequest, b: &v1::CheckRequest| same(&a.brand, &b.brand) && same(&a.campaign, &b.campaign);
    if batch.windows(2).all(|two| is_of(&two[0], &two[1])) {
        return if batch.is_empty() { Vec::new() } else { vec![batch] };
    }
    let mut cut: Vec<Vec<v1::CheckRequest>> = Vec::new();
    for request in batch {
        match cut.last_mut() {
            Some(one) if is_of(&one[0], &request) => one.push(request),
            _ => cut.push(vec![request]),
        }
    }
    cut
}

/// Whether two texts are the same. Most are empty; to compare such byte by byte touches the address that an empty text does not
/// have, which costs the processor some hundred nanoseconds.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && (a.is_empty() || a == b)
}

/// Judges a batch. Its own ids name it in logs if all its requests have the same, as they do on a caller's stream.
pub(super) fn judge<C: Cluster>(
    checks: Checks<C>,
    request_id: String,
    tenant: TenantId,
    batch: Vec<v1::CheckRequest>,
) -> impl Future<Output = Vec<PreparedResponse>> + Send {
    let shared = |of: fn(&v1::CheckRequest) -> &String| {
        let first = batch.first().map(of).filter(|id| id.len() <= MAX_ID_BYTES)?;
        batch.iter().all(|r| same(of(r), first)).then(|| first.clone())
    };
    let call_id = shared(|r| &r.call_id).unwrap_or_default();
    let checked_by = shared(|r| &r.checked_by).unwrap_or_default();
    let said = |of: fn(&v1::CheckRequest) -> &String| shared(of).filter(|text| !text.is_empty());
    let asker = Asker { tenant, brand: said(|r| &r.brand), campaign: said(|r| &r.campaign) };
    let caller = Caller { api: Api::Stream, request_id, call_id, checked_by, asker };
    async move {
        let numbers = batch.iter().map(|request| PhoneNumber::parse(&request.phone_number)).collect();
        let deadline = Instant::now() + checks.deadline();
        let judged = checks.many(&caller, numbers, deadline, "stream").await;
        let malformed = |text: &str, error, correlation_id| {
            answer::malformed(text, error, correlation_id, judged.revision, judged.checked_at).into()
        };
        batch
            .into_iter()
            .zip(judged.items)
            .map(|(request, item)| match item {
                _ if request.correlation_id.len() > MAX_ID_BYTES => {
                    malformed(&request.phone_number, too_long(), String::new())
                }
                Ok(answer) => match over_limit(&request) {
                    None => answer.into_prepared(request.correlation_id),
                    Some(error) => malformed(&request.phone_number, error, request.correlation_id),
                },
                Err(error) => malformed(&request.phone_number, answer::invalid_number(error), request.correlation_id),
            })
            .collect()
    }
}

/// The error of a request whose call id or caller is too long.
fn over_limit(request: &v1::CheckRequest) -> Option<v1::ItemError> {
    let texts = [
        ("call_id", &request.call_id),
        ("checked_by", &request.checked_by),
        ("brand", &request.brand),
        ("campaign", &request.campaign),
    ];
    texts.into_iter().find(|(_, id)| id.len() > MAX_ID_BYTES).map(|(field, _)| v1::ItemError {
        code: "too_long".into(),
        message: format!("{field}: longer than {MAX_ID_BYTES} bytes"),
    })
}
