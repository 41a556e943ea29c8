//! A tick's seat: its place among the sources that a process works at once, given up while it waits for its backend.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The seats of a process, over all its rounds.
#[derive(Debug)]
pub(super) struct Seats {
    all: Arc<Semaphore>,
    /// Held by the one source that waits to begin. Ticks that come back to their seat wait behind that one alone, however many
    /// are due: their lease is running.
    door: tokio::sync::Mutex<()>,
}

/// One tick's seat.
#[derive(Debug)]
pub struct Seat {
    all: Arc<Semaphore>,
    taken: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Seats {
    pub(super) fn new(count: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(count.max(1))),
            door: tokio::sync::Mutex::default(),
        }
    }

    /// Waits for a seat, in the order of asking.
    pub(super) async fn take(&self) -> Seat {
        let _door = self.door.lock().await;
        let taken = Arc::clone(&self.all).acquire_owned().await.ok();
        Seat {
            all: Arc::clone(&self.all),
            taken: Mutex::new(taken),
        }
    }
}

impl Seat {
    /// Waits with the seat free for others, and comes back to it.
    pub(super) async fn away<T>(&self, wait: impl Future<Output = T>) -> T {
        drop(self.swap(None));
        let done = wait.await;
        let again = Arc::clone(&self.all).acquire_owned().await.ok();
        self.swap(again);
        done
    }

    fn swap(&self, taken: Option<OwnedSemaphorePermit>) -> Option<OwnedSemaphorePermit> {
        std::mem::replace(
            &mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner),
            taken,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    /// A tick that waits for its backend holds up nobody, and comes back before those that have not begun.
    #[tokio::test(start_paused = true)]
    async fn a_seat_is_free_while_its_tick_is_away() {
        let seats = Arc::new(Seats::new(1));
        let began = Instant::now();
        let first = seats.take().await;
        let others: Vec<_> = (0..3)
            .map(|_| {
                let seats = Arc::clone(&seats);
                tokio::spawn(async move {
                    let _seat = seats.take().await;
                    sleep(Duration::from_secs(10)).await;
                    began.elapsed().as_secs()
                })
            })
            .collect();
        tokio::task::yield_now().await;
        first.away(sleep(Duration::from_secs(1))).await;
        // One had begun, and one stood at the door.
        assert_eq!(began.elapsed().as_secs(), 20);
        sleep(Duration::from_secs(5)).await;
        drop(first);
        let mut ended = Vec::new();
        for other in others {
            ended.push(other.await.unwrap_or_default());
        }
        assert_eq!(ended, [10, 20, 35]);
    }
}
