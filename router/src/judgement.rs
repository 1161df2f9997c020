//! A judgement with the words for it. Many numbers share one, so the words are made once, when somebody first needs them.

use std::sync::OnceLock;

use dnc_core::verdict::{Judgement, Verdict};
use dnc_proto::v1;
use hyper::body::Bytes;
use prost::Message;

use crate::api::answer;

/// A judgement of one or of many numbers.
#[derive(Debug)]
pub struct SharedJudgement {
    judgement: Judgement,
    told: OnceLock<v1::PackedAnswer>,
    encoded: OnceLock<Bytes>,
}

// === impl SharedJudgement ===

impl SharedJudgement {
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

    /// What all answers to these numbers share, encoded.
    pub fn encoded(&self) -> Bytes {
        self.encoded.get_or_init(|| answer::shared(self).encode_to_vec().into()).clone()
    }
}

impl From<Judgement> for SharedJudgement {
    fn from(judgement: Judgement) -> SharedJudgement {
        SharedJudgement { judgement, told: OnceLock::new(), encoded: OnceLock::new() }
    }
}
