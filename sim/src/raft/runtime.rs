//! Tokio for openraft, but for watches, which wake those who wait in the order in which they came.
//!
//! Tokio's own wake them in an order that it draws from a random number of the process: nothing here may.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openraft_rt::watch::{RecvError, SendError, Watch, WatchReceiver, WatchSender};
use openraft_rt::{AsyncRuntime, OptionalSend, OptionalSync};
use openraft_rt_tokio::TokioRuntime;
use tokio::sync::{Notify, watch};

/// The runtime.
#[derive(Debug)]
pub struct Ordered(TokioRuntime);

/// Its watches.
pub struct OrderedWatch;

/// The end that is written.
pub struct Sender<T> {
    /// There until it is dropped.
    inner: Option<watch::Sender<T>>,
    changed: Arc<Notify>,
}

/// The end that is read.
pub struct Receiver<T> {
    inner: watch::Receiver<T>,
    changed: Arc<Notify>,
}

// === impl Ordered ===

impl AsyncRuntime for Ordered {
    type JoinError = <TokioRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <TokioRuntime as AsyncRuntime>::Sleep;
    type Instant = <TokioRuntime as AsyncRuntime>::Instant;
    type TimeoutError = <TokioRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <TokioRuntime as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = <TokioRuntime as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = OrderedWatch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        TokioRuntime::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        TokioRuntime::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: Self::Instant, future: F) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        TokioRuntime::is_panic(join_error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        TokioRuntime::thread_rng()
    }

    fn new(threads: usize) -> Self {
        Ordered(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}

// === impl OrderedWatch ===

impl Watch for OrderedWatch {
    type Sender<T: OptionalSend + OptionalSync> = Sender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = Receiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = watch::Ref<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(init: T) -> (Sender<T>, Receiver<T>) {
        let (tx, rx) = watch::channel(init);
        let changed = Arc::new(Notify::new());
        (Sender { inner: Some(tx), changed: changed.clone() }, Receiver { inner: rx, changed })
    }
}

// === impl Sender ===

impl<T> Sender<T> {
    fn inner(&self) -> &watch::Sender<T> {
        self.inner.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender { inner: Some(self.inner().clone()), changed: self.changed.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // First it is gone, then those who wait look.
        self.inner = None;
        self.changed.notify_waiters();
    }
}

impl<T: OptionalSend + OptionalSync> WatchSender<OrderedWatch, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        let sent = self.inner().send(value).map_err(|unsent| SendError(unsent.0));
        self.changed.notify_waiters();
        sent
    }

    fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        let modified = self.inner().send_if_modified(modify);
        self.changed.notify_waiters();
        modified
    }

    fn borrow_watched(&self) -> watch::Ref<'_, T> {
        self.inner().borrow()
    }

    fn subscribe(&self) -> Receiver<T> {
        Receiver { inner: self.inner().subscribe(), changed: self.changed.clone() }
    }
}

// === impl Receiver ===

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Receiver { inner: self.inner.clone(), changed: self.changed.clone() }
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<OrderedWatch, T> for Receiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        loop {
            let notified = self.changed.notified();
            tokio::pin!(notified);
            // From here on no change is missed.
            notified.as_mut().enable();
            if self.inner.has_changed().map_err(|_| RecvError(()))? {
                self.inner.mark_unchanged();
                return Ok(());
            }
            notified.await;
        }
    }

    fn borrow_watched(&self) -> watch::Ref<'_, T> {
        self.inner.borrow()
    }

    fn borrow_and_update(&mut self) -> watch::Ref<'_, T> {
        self.inner.borrow_and_update()
    }
}
