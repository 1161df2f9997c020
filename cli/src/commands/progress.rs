//! The progress of an import, on stderr while that is a terminal.

use std::sync::Mutex;

use dnc_proto::v1::{ImportPhase, ImportProgress};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// A bar that begins anew with each phase, since each counts in a unit of its own.
pub struct Progress {
    bar: ProgressBar,
    phase: Mutex<ImportPhase>,
}

impl Progress {
    /// A bar for the first phase, in bytes.
    pub fn new(total_bytes: u64) -> Self {
        // Draws nothing unless stderr is a terminal.
        let bar = ProgressBar::new(total_bytes);
        let progress = Self { bar, phase: Mutex::new(ImportPhase::Unspecified) };
        progress.begin(ImportPhase::Receiving);
        progress
    }

    /// Shows how far the import has come.
    pub fn show(&self, now: &ImportProgress) {
        self.begin(now.phase());
        if now.total > 0 {
            self.bar.set_length(now.total);
        }
        self.bar.set_position(now.done);
        if now.numbers > 0 {
            self.bar.set_message(format!("{} numbers", output::thousands(now.numbers)));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn begin(&self, phase: ImportPhase) {
        let mut current = self.phase.lock().expect("nobody panics while holding it");
        if *current == phase {
            return;
        }
        *current = phase;
        let counted = match phase {
            ImportPhase::Receiving | ImportPhase::Reading => "{bytes}/{total_bytes}  {bytes_per_sec}",
            _ => "{human_pos}/{human_len}  {per_sec}",
        };
        let template = format!("{{prefix:10}} [{{bar:30}}] {counted}  {{eta}} left  {{msg}}");
        let style = ProgressStyle::with_template(&template).expect("the template is right");
        self.bar.set_style(style.progress_chars("=> "));
        self.bar.set_prefix(word(phase));
        // Draws, so it comes last; rate and time left are those of the phase.
        self.bar.reset();
    }
}

fn word(phase: ImportPhase) -> &'static str {
    match phase {
        ImportPhase::Unspecified => "working",
        ImportPhase::Receiving => "sending",
        ImportPhase::Reading => "reading",
        ImportPhase::Staging => "staging",
        ImportPhase::Sealing => "sealing",
        ImportPhase::Activating => "activating",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_can_be_shown() {
        let progress = Progress::new(100);
        for phase in [
            ImportPhase::Receiving,
            ImportPhase::Reading,
            ImportPhase::Staging,
            ImportPhase::Sealing,
            ImportPhase::Activating,
        ] {
            progress.show(&ImportProgress { phase: phase.into(), done: 1, total: 2, numbers: 3 });
        }
        progress.finish();
    }
}
