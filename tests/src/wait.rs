//! Waiting for a condition, never for a time.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep, timeout_at};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks until the answer is `Ok(Some(..))`, at most for `limit`; then the error names what was waited
/// for and what stood in the way.
pub async fn until<T, F, Fut>(limit: Duration, what: &str, mut ask: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let deadline = Instant::now() + limit;
    let mut last = String::from("no answer yet");
    loop {
        match timeout_at(deadline, ask()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => last = String::from("not so yet"),
            Ok(Err(error)) => last = format!("{error:#}"),
            Err(_) => {}
        }
        if Instant::now() + PAUSE >= deadline {
            bail!("waited {limit:?} for {what}: {last}");
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_value_comes_back_when_it_is_there() {
        let mut looks = 0;
        let value = until(Duration::from_secs(5), "three looks", || {
            looks += 1;
            let found = (looks == 3).then_some(looks);
            async move { Ok(found) }
        });
        assert_eq!(value.await.expect("in time"), 3);
    }

    #[tokio::test]
    async fn a_wait_in_vain_says_for_what_and_why() {
        let error = until::<(), _, _>(Duration::from_millis(120), "a miracle", || async { bail!("none today") })
            .await
            .expect_err("nothing came");
        assert!(error.to_string().contains("for a miracle: none today"), "{error}");
    }

    #[tokio::test]
    async fn a_question_that_hangs_ends_at_the_limit() {
        let error = until::<(), _, _>(Duration::from_millis(120), "an answer", std::future::pending)
            .await
            .expect_err("nothing came");
        assert!(error.to_string().contains("for an answer"), "{error}");
    }
}
