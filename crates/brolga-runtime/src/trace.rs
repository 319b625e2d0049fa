//! What each thread does when, for as many events as there is memory set aside.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// What a thread does during an [`Event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The whole step, on the thread that asked for it.
    Step,
    /// Copying the caller's rows into data inputs.
    Feed,
    /// Some units of the stage of this index in
    /// [`Executable::schedule`](crate::Executable::schedule).
    Stage(usize),
}

/// A time in which a thread did one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The index of the thread.
    pub thread: usize,
    /// What it did.
    pub part: Part,
    /// Nanoseconds from the link of the program to the start.
    pub start_ns: u64,
    /// Nanoseconds that it took.
    pub duration_ns: u64,
}

/// Numbers of parts that are no stages.
const STEP: u64 = u64::MAX;
const FEED: u64 = u64::MAX - 1;

impl Part {
    fn number(self) -> u64 {
        match self {
            Self::Step => STEP,
            Self::Feed => FEED,
            Self::Stage(stage) => stage as u64,
        }
    }

    fn of_number(number: u64) -> Self {
        match number {
            STEP => Self::Step,
            FEED => Self::Feed,
            stage => Self::Stage(stage as usize),
        }
    }
}

/// Memory for events, which threads fill without a lock.
#[derive(Debug)]
pub(crate) struct Events {
    origin: Instant,
    threads: Box<[Thread]>,
}

/// The events of one thread: part, start and duration of each.
#[derive(Debug)]
struct Thread {
    /// The number of events so far, those that found no room included.
    count: AtomicUsize,
    slots: Box<[[AtomicU64; 3]]>,
}

impl Events {
    /// Memory for so many events of each thread.
    pub(crate) fn new(threads: usize, most: usize) -> Self {
        let slot = |_| [const { AtomicU64::new(0) }; 3];
        let thread =
            |_| Thread { count: AtomicUsize::new(0), slots: (0..most).map(slot).collect() };
        Self { origin: Instant::now(), threads: (0..threads).map(thread).collect() }
    }

    /// Keeps an event of a thread, if there is room.
    pub(crate) fn keep(&self, thread: usize, part: Part, start: Instant, duration_ns: u64) {
        let Some(thread) = self.threads.get(thread) else { return };
        let index = thread.count.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = thread.slots.get(index) {
            let start = start.saturating_duration_since(self.origin).as_nanos() as u64;
            let numbers = [part.number(), start, duration_ns];
            slot.iter()
                .zip(numbers)
                .for_each(|(slot, number)| slot.store(number, Ordering::Relaxed));
        }
    }

    /// Forgets all events.
    pub(crate) fn reset(&self) {
        self.threads.iter().for_each(|thread| thread.count.store(0, Ordering::Relaxed));
    }

    /// All events, those of each thread in the order in which they ended.
    pub(crate) fn list(&self) -> Vec<Event> {
        let of_thread = |(index, thread): (usize, &Thread)| {
            let count = thread.count.load(Ordering::Relaxed).min(thread.slots.len());
            let event = move |slot: &[AtomicU64; 3]| {
                let [part, start_ns, duration_ns] =
                    [0, 1, 2].map(|number: usize| slot[number].load(Ordering::Relaxed));
                Event { thread: index, part: Part::of_number(part), start_ns, duration_ns }
            };
            thread.slots[..count].iter().map(event).collect::<Vec<_>>()
        };
        self.threads.iter().enumerate().flat_map(of_thread).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_beyond_the_memory_are_left_out() {
        let events = Events::new(2, 2);
        let start = Instant::now();
        for stage in 0..3 {
            events.keep(1, Part::Stage(stage), start, 7);
        }
        events.keep(0, Part::Step, start, 9);
        events.keep(5, Part::Feed, start, 1);
        let list = events.list();
        let parts: Vec<_> = list.iter().map(|event| (event.thread, event.part)).collect();
        assert_eq!(parts, [(0, Part::Step), (1, Part::Stage(0)), (1, Part::Stage(1))]);
        assert!(list.iter().all(|event| event.duration_ns > 0));
        events.reset();
        assert_eq!(events.list(), []);
    }

    #[test]
    fn no_memory_is_no_events() {
        let events = Events::new(1, 0);
        events.keep(0, Part::Feed, Instant::now(), 1);
        assert_eq!(events.list(), []);
    }
}
