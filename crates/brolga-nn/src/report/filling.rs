//! The output while the first weights of a large model are computed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::verbose::View;

/// The shortest time that is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that appears after a second, and goes when it is dropped. Several threads move it.
pub(crate) struct Filling {
    bar: Option<ProgressBar>,
    start: Instant,
    visible: AtomicBool,
}

impl Filling {
    /// A bar for so many bytes, where bars grow.
    pub(crate) fn new(view: View, bytes: usize) -> Self {
        let bar = (view == View::LiveBar).then(|| {
            let template = "first weights {bytes}/{total_bytes} {wide_bar}";
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(Some(bytes as u64), ProgressDrawTarget::hidden())
                .with_style(style)
        });
        Self { bar, start: Instant::now(), visible: AtomicBool::new(false) }
    }

    /// So many more bytes are done.
    pub(crate) fn done(&self, bytes: usize) {
        let Some(bar) = &self.bar else { return };
        bar.inc(bytes as u64);
        if self.start.elapsed() > PATIENCE && !self.visible.swap(true, Ordering::Relaxed) {
            bar.set_draw_target(ProgressDrawTarget::stdout());
        }
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_becomes_visible_after_a_second() {
        let mut filling = Filling::new(View::LiveBar, 100);
        filling.done(10);
        assert!(!filling.visible.load(Ordering::Relaxed));
        filling.start = filling.start.checked_sub(2 * PATIENCE).expect("a clock that has run");
        filling.done(20);
        assert!(filling.visible.load(Ordering::Relaxed));
        assert_eq!(filling.bar.as_ref().map(ProgressBar::position), Some(30));
    }

    #[test]
    fn nothing_is_shown_where_no_bar_grows() {
        for view in [View::Silent, View::Bar, View::Line] {
            let filling = Filling::new(view, 100);
            filling.done(100);
            assert!(filling.bar.is_none());
        }
    }
}
