//! What many handlers share: the headers that they read, and texts of a known form.

use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// The header that names the tenant.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what `read::Tenant` reads")]
pub struct TenantHeader {
    /// For whom. Without it, the tenant `default`.
    #[param(
        rename = "x-dnc-tenant",
        nullable = false,
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z0-9][a-z0-9._-]*$"
    )]
    tenant: Option<String>,
}

/// The header that makes a write safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what `write_id::WriteId` reads")]
pub struct KeyHeader {
    /// Chosen by the caller, new for each write. Repeating a write with the key that it had does it
    /// once. Holds for one tenant, method and path.
    #[param(rename = "Idempotency-Key", nullable = false, min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    key: Option<String>,
}

/// The registry in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what `read::NamePath` reads")]
pub struct RegistryPath {
    /// The registry, by its name or its number.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    id: String,
}

/// Makes a type that stands for texts of one form.
macro_rules! text {
    ($(#[doc = $doc:literal])* $type:ident as $name:literal, $max:expr, $pattern:expr, $example:literal, $about:literal) => {
        $(#[doc = $doc])*
        pub struct $type;

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(SchemaType::Type(Type::String))
                    .description(Some($about))
                    .max_length(Some($max))
                    .pattern(Some($pattern))
                    .examples([json!($example)])
                    .into()
            }
        }

        impl ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn schemas(_: &mut Vec<(String, RefOr<Schema>)>) {}
        }
    };
}

text!(
    /// A phone number as text: E.164, or ten digits of the North American plan, a 1 in front or not.
    ///
    /// Spaces, dots, hyphens, slashes and parentheses between digits are read too, though the pattern
    /// does not say so; what could be read in two ways is refused.
    PhoneText as "PhoneNumber",
    dnc_core::number::MAX_QUERY_CHARS,
    PHONE_PATTERN,
    "+12015550100",
    "A phone number: E.164, or ten digits of the North American plan."
);

text!(
    /// What names a request, and what it made. Dashes elsewhere are read too.
    IdText as "Id",
    36,
    ID_PATTERN,
    "019aa5f0-7c3e-7b1a-9d52-3f6e8c1b2a40",
    "A UUID, with or without dashes. Where it names the request, an empty one is none."
);

text!(
    /// The name of a registry, or an empty one where there is a usual one.
    NameText as "RegistryName",
    dnc_core::registry::MAX_NAME,
    "^([a-z0-9][a-z0-9._-]*)?$",
    "internal",
    "The name of a registry. Where it may be left out, an empty one is as if it were."
);

text!(
    /// What coverage is counted by.
    AreaText as "Area",
    5,
    AREA_PATTERN,
    "201",
    "An area code of the North American plan, or + and the calling code of another country."
);

/// The country codes of two digits and of three, that of Italy apart; `PHONE_PATTERN` and `AREA_PATTERN` have them.
macro_rules! codes {
    (two) => {
        "(?:2[07]|3[0-46]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])"
    };
    (three) => {
        "(?:2[1-689]|3[578]|42|5[09]|6[7-9]|8[035789]|9[679])[0-9]"
    };
}

/// What [`PhoneText`] matches: the country codes of E.164, and no trunk prefix behind them but where
/// it belongs to the number.
const PHONE_PATTERN: &str = concat!(
    r"^(?:(?:\+?1)?[2-9][0-8][0-9](?:[2-9][02-9][0-9]|[2-9]1[02-9])[0-9]{4}",
    r"|\+(?:7[1-9][0-9]{5,13}|39[0-9]{5,13}|(?:225|229|24[12]|37[89])[0-9]{4,12}",
    "|",
    codes!(two),
    "[1-9][0-9]{4,12}",
    "|",
    codes!(three),
    "[1-9][0-9]{3,11}))$"
);

/// What [`AreaText`] matches.
const AREA_PATTERN: &str = concat!(r"^(?:[0-9]{3}|\+?1[0-9]{3}|\+(?:7|39|", codes!(two), "|", codes!(three), "))$");

/// What [`IdText`] matches.
const ID_PATTERN: &str = "^(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$";

#[cfg(test)]
mod tests {
    use dnc_core::area::Area;
    use dnc_core::ids::RequestId;
    use dnc_core::number::PhoneNumber;
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    #[test]
    fn the_pattern_of_an_area_matches_what_is_read() {
        let pattern = Regex::new(AREA_PATTERN).expect("a pattern");
        for code in 0..12_000_u32 {
            for text in [code.to_string(), format!("+{code}"), format!("{code:03}"), format!("+{code:04}")] {
                assert_eq!(pattern.is_match(&text), text.parse::<Area>().is_ok(), "{text}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_pattern_of_a_number_matches_what_is_read(text in r"(\+?1?[0-9]{10})|(\+[0-9]{5,17})|([0-9+]{0,16})") {
            let pattern = Regex::new(PHONE_PATTERN).expect("a pattern");
            prop_assert_eq!(pattern.is_match(&text), PhoneNumber::parse(&text).is_ok(), "{}", text);
        }

        #[test]
        fn what_the_pattern_of_an_id_matches_is_read(text in ID_PATTERN.trim_start_matches('^').trim_end_matches('$')) {
            prop_assert!(text.is_empty() || text.parse::<RequestId>().is_ok(), "{}", text);
        }
    }
}
