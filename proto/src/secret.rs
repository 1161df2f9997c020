//! A message that holds a secret does not print it.

use std::fmt;

use crate::v1::RegistrySettings;

impl fmt::Debug for RegistrySettings {
    /// Shows all but the provider's key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrySettings")
            .field("jurisdiction", &self.jurisdiction)
            .field("enabled", &self.enabled)
            .field("max_age_days", &self.max_age_days)
            .field("keep_versions", &self.keep_versions)
            .field("url", &self.url)
            .field("schedule", &self.schedule)
            .field("api_key", &self.api_key.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_printed() {
        let settings = RegistrySettings { api_key: Some("hush-hush".into()), ..RegistrySettings::default() };
        let request = crate::v1::UpdateRegistryRequest { settings: Some(settings), ..Default::default() };
        assert!(!format!("{request:?}").contains("hush"));
    }
}
