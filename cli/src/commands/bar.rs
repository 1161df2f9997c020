//! Progress in bytes, on stderr while that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of so many bytes, with the time left.
pub fn bytes(total: u64) -> ProgressBar {
    styled(ProgressBar::new(total), "[{bar:30}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left")
}

/// Bytes of which nobody knows how many there will be.
pub fn unknown() -> ProgressBar {
    styled(ProgressBar::no_length(), "{bytes}  {bytes_per_sec}")
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is right");
    bar.set_style(style.progress_chars("=> "));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_can_be_shown() {
        bytes(10).set_position(5);
        unknown().set_position(5);
    }
}
