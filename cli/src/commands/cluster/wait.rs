//! Following a plan until it has ended, with a bar on stderr while that is a terminal.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_proto::v1::{PlanHistory, PlanProgress};
use dnc_router::client::Client;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};

use super::text;

/// Between two looks at a plan.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether to wait.
#[derive(clap::Args, Clone)]
pub struct Waiting {
    /// Wait until the plan has ended, and show how far it is. Exit code 1 if it was cancelled.
    #[arg(long)]
    pub wait: bool,
    /// The longest to wait, seconds. The plan goes on after that.
    #[arg(long, value_name = "S", default_value_t = 24 * 3_600)]
    pub limit: u64,
}

/// Looks again and again until a plan has ended.
pub async fn until_ended(client: &Client, plan: &PlanProgress, waiting: &Waiting) -> Result<PlanProgress> {
    let deadline = Instant::now() + text::limit(waiting.limit);
    // Draws nothing unless stderr is a terminal.
    let bar = ProgressBar::new(u64::from(plan.moves));
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} moves  {msg}");
    bar.set_style(style.context("the progress bar")?.progress_chars("=> "));
    bar.set_prefix(plan.why.clone());
    loop {
        // A router that does not answer now is asked again; the plan does not depend on it.
        if let Ok(history) = client.plan_history().await {
            let now = found(history, &plan.plan_id).context("the plan is not remembered any more")?;
            if now.ended_at.is_some() {
                bar.finish_and_clear();
                return Ok(now);
            }
            bar.set_position(u64::from(now.done));
            bar.set_message(how_far(&now));
        }
        ensure!(Instant::now() < deadline, "the plan has not ended; it goes on");
        sleep(PAUSE).await;
    }
}

/// What a plan still has to do, in a few words.
pub fn how_far(plan: &PlanProgress) -> String {
    if plan.cancelled {
        return "cancelled; what is under way ends".into();
    }
    format!("{}, {}", text::size(plan.bytes_left), text::time_left(plan.seconds_left, plan.time_is_assumed))
}

fn found(history: PlanHistory, id: &str) -> Option<PlanProgress> {
    history.plans.into_iter().find(|plan| plan.plan_id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_plan_is_names_bytes_and_time_unless_it_was_cancelled() {
        let plan = PlanProgress { bytes_left: 2_048, seconds_left: Some(61), ..PlanProgress::default() };
        assert_eq!(how_far(&plan), "2.00 KiB, about 1 min 1 s left");
        let cancelled = PlanProgress { cancelled: true, ..plan };
        assert_eq!(how_far(&cancelled), "cancelled; what is under way ends");
    }
}
