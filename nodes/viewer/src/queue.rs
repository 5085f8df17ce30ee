//! A bounded queue in which the newest wins: who puts something in never waits, the oldest gives way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, TrySendError, bounded};

/// The end that puts in.
pub struct Input<T> {
    sender: crossbeam_channel::Sender<T>,
    evict: Receiver<T>,
    dropped: Arc<AtomicU64>,
}

/// Makes a queue for `capacity` items. The receiver's iteration ends when the input is dropped.
pub fn queue<T>(capacity: usize) -> (Input<T>, Receiver<T>) {
    let (sender, receiver) = bounded(capacity);
    let input = Input {
        sender,
        evict: receiver.clone(),
        dropped: Arc::default(),
    };
    (input, receiver)
}

impl<T> Input<T> {
    /// Puts an item in; in a full queue the oldest is dropped for it.
    pub fn push(&self, item: T) {
        let mut item = item;
        while let Err(TrySendError::Full(refused)) = self.sender.try_send(item) {
            item = refused;
            if self.evict.try_recv().is_ok() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.sender.is_empty()
    }

    /// Items dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_stands_still_holds_nobody_up_and_finds_the_newest() {
        let (input, output) = queue(3);
        for item in 0..1000 {
            input.push(item);
        }
        assert_eq!(input.dropped(), 997);
        drop(input);
        assert_eq!(output.iter().collect::<Vec<_>>(), [997, 998, 999]);
    }
}
