//! A judgement with the words for it. Many numbers share one, so the words are made once, when somebody first needs them.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use dnc_core::verdict::{Judgement, Verdict};
use dnc_proto::v1;

use crate::api::answer;

/// A judgement of one or of many numbers.
#[derive(Debug)]
pub struct Judged {
    judgement: Judgement,
    told: OnceLock<v1::PackedAnswer>,
}

// === impl Judged ===

impl Judged {
    /// The judgement.
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// May the numbers be called?
    pub fn verdict(&self) -> Verdict {
        self.judgement.verdict
    }

    /// The same in the words of answers.
    pub fn told(&self) -> &v1::PackedAnswer {
        self.told.get_or_init(|| answer::packed(&self.judgement))
    }
}

impl From<Judgement> for Judged {
    fn from(judgement: Judgement) -> Judged {
        Judged { judgement, told: OnceLock::new() }
    }
}

/// The words follow from the judgement.
impl PartialEq for Judged {
    fn eq(&self, other: &Judged) -> bool {
        self.judgement == other.judgement
    }
}

impl Eq for Judged {}

impl Hash for Judged {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.judgement.hash(state);
    }
}
