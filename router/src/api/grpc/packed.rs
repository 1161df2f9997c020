//! The answer to `PackedCheck`: a byte for each number, and each answer that numbers share once.

use std::collections::HashMap;

use dnc_core::number::NumberError;
use dnc_proto::v1;

use crate::api::answer;
use crate::api::checks::Packed;

/// The answer to so many numbers.
pub fn response(numbers: usize, judged: &Packed) -> v1::PackedCheckResponse {
    let distinct = judged.judgements.distinct();
    let verdicts: Vec<u8> = distinct.iter().map(|judged| byte(judged.told().verdict())).collect();
    let mut response = v1::PackedCheckResponse {
        verdicts: Vec::with_capacity(numbers),
        answers: distinct.iter().map(|judged| judged.told().clone()).collect(),
        errors: judged.errors.iter().map(|(at, error)| invalid(*at, *error)).collect(),
        revision: judged.revision,
        checked_at: Some(answer::moment(judged.checked_at)),
        ..v1::PackedCheckResponse::default()
    };
    // Where one verdict has several answers, each number names its own.
    let by_verdict: HashMap<u8, usize> = verdicts.iter().copied().zip(0..).collect();
    let named = by_verdict.len() < distinct.len();
    let mut errors = judged.errors.iter().map(|(at, _)| *at).peekable();
    let mut valid = 0;
    for at in 0..numbers {
        if errors.next_if_eq(&at).is_some() {
            response.verdicts.push(byte(v1::PackedVerdict::Invalid));
            if named {
                response.answer.push(0);
            }
            continue;
        }
        let place = judged.judgements.place(valid).expect("every valid number is judged");
        valid += 1;
        response.verdicts.push(verdicts[place]);
        if named {
            response.answer.push(place as u32);
        }
    }
    response
}

fn byte(verdict: v1::PackedVerdict) -> u8 {
    u8::try_from(i32::from(verdict)).expect("they are few")
}

fn invalid(at: usize, error: NumberError) -> v1::PackedError {
    let at = u32::try_from(at).expect("limited by max_bulk_grpc");
    v1::PackedError { at, error: Some(answer::invalid_number(error)) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dnc_core::number::PhoneNumber;
    use dnc_core::verdict::{Cause, Judgement, Verdict};
    use dnc_proto::PackedRequest;
    use dnc_proto::served::check_service_server::CheckService;
    use proptest::prelude::*;
    use tokio_util::sync::CancellationToken;
    use tonic::{Code, Request};

    use super::*;
    use crate::api::grpc::check::Service;
    use crate::api::state::State;
    use crate::options::Options;
    use crate::testing::{Fake, clear, listed};

    fn service(fake: &Fake) -> Service<Fake> {
        let options = Options { max_bulk_grpc: 50, ..Options::default() };
        Service(State::new(fake.clone(), Arc::new(options), CancellationToken::new()))
    }

    fn ask(numbers: &[u64]) -> Request<PackedRequest> {
        let request = v1::PackedCheckRequest { numbers: numbers.to_vec(), ..v1::PackedCheckRequest::default() };
        Request::new(PackedRequest(request))
    }

    fn stale() -> Judgement {
        Judgement { verdict: Verdict::Unknown(Cause::Stale), ..clear("federal") }
    }

    /// What the bulk says of one number, without what belongs to the request.
    fn bare(response: &v1::CheckResponse) -> v1::CheckResponse {
        v1::CheckResponse {
            phone_number: String::new(),
            revision: 0,
            checked_at: None,
            correlation_id: String::new(),
            ..response.clone()
        }
    }

    proptest! {
        #[test]
        fn packed_answers_are_those_of_the_bulk(
            asked in proptest::collection::vec(
                prop_oneof![12_015_550_000..12_015_550_012u64, 0..9_999_999_999_999_999u64, Just(12_010_000_000)], 1..50),
            known in proptest::collection::vec(0..5usize, 12),
            lost in proptest::bool::weighted(0.1),
        ) {
            let fake = Fake::founded();
            for (line, judgement) in (12_015_550_000..).zip(known) {
                let number = PhoneNumber::from_u64(line).expect("a number");
                match judgement {
                    0 => {}
                    1 => fake.judge(number, clear("federal")),
                    2 => fake.judge(number, listed("federal")),
                    3 => fake.judge(number, listed("state")),
                    _ => fake.judge(number, stale()),
                }
            }
            if lost {
                fake.lose_judgements();
            }
            let items = asked.iter().map(|digits| v1::BulkItem { phone_number: format!("+{digits}"), ..v1::BulkItem::default() });
            let bulk = v1::BulkCheckRequest { items: items.collect(), ..v1::BulkCheckRequest::default() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let (packed, bulk) = runtime.block_on(async {
                let service = service(&fake);
                let packed = service.packed_check(ask(&asked)).await.expect("answers").into_inner();
                (packed, service.bulk_check(Request::new(bulk)).await.expect("answers").into_inner())
            });
            prop_assert_eq!(packed.verdicts.len(), asked.len());
            prop_assert!(packed.answer.is_empty() || packed.answer.len() == asked.len());
            prop_assert_eq!(packed.revision, bulk.revision);
            for (at, expected) in bulk.results.iter().enumerate() {
                prop_assert_eq!(packed.result(at), Some(bare(expected)));
            }
        }
    }

    #[tokio::test]
    async fn numbers_that_share_their_answers_name_none() {
        let fake = Fake::founded();
        let response = service(&fake).packed_check(ask(&[12_015_550_100, 5])).await.expect("answers").into_inner();
        assert_eq!((response.verdicts, response.answer.len(), response.answers.len()), (vec![5, 6], 0, 1));
        assert_eq!(response.errors[0].at, 1);
    }

    #[tokio::test]
    async fn limits_are_those_of_the_bulk() {
        for request in [ask(&[]), ask(&[12_015_550_100; 51])] {
            let refused = service(&Fake::founded()).packed_check(request).await.expect_err("refused");
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().contains("numbers: a bulk has 1 to 50"), "{refused}");
        }
        let mut request = ask(&[12_015_550_100]);
        request.get_mut().0.call_id = "x".repeat(crate::options::MAX_ID_BYTES + 1);
        let refused = service(&Fake::founded()).packed_check(request).await.expect_err("too long");
        assert!(refused.message().starts_with("call_id"), "{refused}");
    }
}
