//! Ids that are made from a request's id, so that whoever repeats the request makes the same ones.

use dnc_core::ids::{RequestId, TenantId};
use sha2::{Digest, Sha256};

/// Bits of a UUID that name its version, and its variant.
const VERSION: u32 = 76;
const VARIANT: u32 = 62;
/// Bits below the time of a version 7 UUID.
const TIME: u32 = 80;

/// The id of one item of a bulk request.
pub fn of_item(tenant: TenantId, request: RequestId, position: usize) -> RequestId {
    derive("item", tenant, request, [u128::try_from(position).expect("a usize fits")])
}

/// The id of the command that writes these entries. Other entries make another command.
pub fn of_batch(tenant: TenantId, request: RequestId, entries: impl IntoIterator<Item = RequestId>) -> RequestId {
    derive("batch", tenant, request, entries.into_iter().map(|id| id.0))
}

/// The time in a version 7 UUID, milliseconds since 1970; none in any other (RFC 9562, section 5.7).
pub fn time_ms(id: RequestId) -> Option<u64> {
    let is_timed = (id.0 >> VERSION) & 0xf == 7 && (id.0 >> VARIANT) & 0b11 == 0b10;
    is_timed.then(|| u64::try_from(id.0 >> TIME).expect("48 bits"))
}

/// A UUID out of a hash: version 7 with the request's own time if it has one, else version 8.
fn derive(what: &str, tenant: TenantId, request: RequestId, parts: impl IntoIterator<Item = u128>) -> RequestId {
    let mut hash = Sha256::new();
    hash.update(what.as_bytes());
    hash.update(tenant.0.to_be_bytes());
    hash.update(request.0.to_be_bytes());
    for part in parts {
        hash.update(part.to_be_bytes());
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    let random = u128::from_be_bytes(bytes) & !(0xf << VERSION) & !(0b11 << VARIANT) | 0b10 << VARIANT;
    RequestId(match time_ms(request) {
        Some(ms) => u128::from(ms) << TIME | 7 << VERSION | random & ((1 << TIME) - 1),
        None => random | 8 << VERSION,
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_repeated_request_makes_the_same_ids_and_any_other_makes_others() {
        let (tenant, request) = (TenantId(1), RequestId(Uuid::now_v7().as_u128()));
        let id = of_item(tenant, request, 3);
        assert_eq!(id, of_item(tenant, request, 3));
        assert_ne!(id, of_item(tenant, request, 4));
        assert_ne!(id, of_item(TenantId(2), request, 3));
        assert_ne!(id, of_batch(tenant, request, [RequestId(3)]));
        assert_ne!(of_batch(tenant, request, [id]), of_batch(tenant, request, [id, id]));
    }

    #[test]
    fn a_made_id_is_a_uuid_and_carries_the_time_of_its_request() {
        let timed = RequestId(Uuid::now_v7().as_u128());
        let made = of_item(TenantId(1), timed, 0);
        assert_eq!(Uuid::from_u128(made.0).get_version_num(), 7);
        assert_eq!(time_ms(made), time_ms(timed));
        assert!(time_ms(timed).is_some());
        let untimed = RequestId(Uuid::new_v4().as_u128());
        let made = of_item(TenantId(1), untimed, 0);
        assert_eq!(Uuid::from_u128(made.0).get_version_num(), 8);
        assert_eq!((time_ms(made), time_ms(untimed)), (None, None));
    }
}
