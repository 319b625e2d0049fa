//! The output while a model is trained, evaluated or used.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::compilation::Compilation;
use super::line::{Paint, Position, write_bar, write_line};
use super::verbose::{Verbose, View};
use crate::history::Logs;

/// How often a bar is drawn.
const INTERVAL: Duration = Duration::from_millis(50);

/// Shows compilations and passes over the data as Keras does.
///
/// Errors of the output are ignored: a closed output does not end a training.
pub(crate) struct Progress {
    view: View,
    paint: Paint,
    out: Box<dyn Write>,
    pass: Option<Pass>,
    /// How many of the session's compilations have been shown.
    compilations: usize,
}

/// A pass over the data.
struct Pass {
    /// The number of steps, if it is known.
    steps: Option<usize>,
    done: usize,
    start: Instant,
    /// The time after the first step, which is not typical: caches are cold.
    first: Option<Duration>,
    /// After how many steps the clock is read again.
    due: usize,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shows on the standard output, where so many compilations of the session were shown before.
    pub(crate) fn new(verbose: Verbose, compilations: usize) -> Self {
        let view = verbose.view(io::stdout().is_terminal());
        Self::to(Box::new(io::stdout()), view, compilations)
    }

    fn to(out: Box<dyn Write>, view: View, compilations: usize) -> Self {
        let coloured = view == View::LiveBar && std::env::var_os("NO_COLOR").is_none();
        let paint = if coloured { Paint::COLOURS } else { Paint::NONE };
        Self { view, paint, out, pass: None, compilations }
    }

    /// Shows nothing.
    pub(crate) fn silent() -> Self {
        Self::to(Box::new(io::sink()), View::Silent, 0)
    }

    pub(crate) fn say(&mut self, line: impl fmt::Display) {
        if self.view != View::Silent {
            writeln!(self.out, "{line}").unwrap_or_default();
        }
    }

    /// Shows the compilations that are new. `batch` is the size of most batches.
    pub(crate) fn compiled(&mut self, all: &[Compilation], batch: usize) {
        let known = std::mem::replace(&mut self.compilations, all.len());
        all.iter().skip(known).for_each(|compilation| self.say(compilation.line(batch)));
    }

    /// A pass of so many steps begins.
    pub(crate) fn begin(&mut self, steps: Option<usize>) {
        let bar = (self.view == View::LiveBar).then(live_bar);
        self.pass = Some(Pass { steps, done: 0, start: Instant::now(), first: None, due: 1, bar });
    }

    /// So many steps are done.
    pub(crate) fn step(&mut self, done: usize, logs: &Logs) {
        let Some(pass) = &mut self.pass else { return };
        pass.done = done;
        if done >= pass.due {
            pass.look(done, logs, self.paint);
        }
    }

    /// The pass is complete.
    pub(crate) fn finish(&mut self, logs: &Logs) {
        let Some(mut pass) = self.pass.take() else { return };
        // What was not known before is known now.
        pass.steps = Some(pass.steps.unwrap_or(pass.done));
        let at = pass.position(pass.steps.unwrap_or_default());
        let mut line = String::new();
        let written = match self.view {
            View::Line => write_line(&mut line, &at, logs),
            _ => write_bar(&mut line, &at, true, logs, self.paint),
        };
        written.unwrap_or_default();
        if let Some(bar) = pass.bar.take() {
            bar.finish_and_clear();
        }
        self.say(line);
    }
}

/// Leaves the bar of a pass that failed where it was, and what comes next on a line of its own.
impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.pass.take().and_then(|mut pass| pass.bar.take()) {
            bar.abandon();
            self.say("");
        }
    }
}

/// A line of a terminal, cut off where the terminal ends.
fn live_bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout()).with_style(style)
}

impl Pass {
    fn position(&mut self, done: usize) -> Position {
        let elapsed = self.start.elapsed();
        let first = *self.first.get_or_insert(elapsed);
        let step = step_time(done, elapsed, first);
        Position { done, steps: self.steps, elapsed, step }
    }

    /// Reads the clock, draws, and decides when to look again: after about as many steps as fit
    /// into the interval.
    fn look(&mut self, done: usize, logs: &Logs, paint: Paint) {
        let at = self.position(done);
        let Some(bar) = &self.bar else {
            self.due = usize::MAX;
            return;
        };
        let mut line = String::new();
        write_bar(&mut line, &at, false, logs, paint).unwrap_or_default();
        bar.set_message(line);
        let fit = (INTERVAL.as_secs_f64() / at.step.as_secs_f64()) as usize;
        // At most as many as are done: the first steps may have been faster than the rest.
        self.due = done + fit.clamp(1, done.max(1));
    }
}

/// The time that a step takes: the mean over all but the first, where there are more.
fn step_time(done: usize, elapsed: Duration, first: Duration) -> Duration {
    match done {
        0 => Duration::ZERO,
        1 => elapsed,
        _ => elapsed.saturating_sub(first).div_f64((done - 1) as f64),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::callbacks::rig::train;

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The output of a training of two epochs, without the times of steps.
    fn shown(view: View) -> String {
        let out = Shared::default();
        let mut progress = Progress::to(Box::new(out.clone()), view, 0);
        train(&mut progress, &["loss", "accuracy"], &[vec![0.5, 0.75], vec![0.25, 1.0]])
            .expect("nothing can fail");
        let text = String::from_utf8(out.0.take()).expect("text");
        let words =
            text.split(' ').map(|word| if word.ends_with("/step") { "0us/step" } else { word });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn without_a_terminal_each_epoch_has_a_line() {
        insta::assert_snapshot!(shown(View::Line), @"
        Epoch 1/9
        2/2 - 0s - 0us/step - accuracy: 0.7500 - loss: 0.5000
        Epoch 2/9
        2/2 - 0s - 0us/step - accuracy: 1.0000 - loss: 0.2500
        ");
    }

    #[test]
    fn a_bar_without_a_terminal_is_shown_when_it_is_complete() {
        insta::assert_snapshot!(shown(View::Bar), @"
        Epoch 1/9
        2/2 ━━━━━━━━━━━━━━━━━━━━ 0s 0us/step - accuracy: 0.7500 - loss: 0.5000
        Epoch 2/9
        2/2 ━━━━━━━━━━━━━━━━━━━━ 0s 0us/step - accuracy: 1.0000 - loss: 0.2500
        ");
    }

    #[test]
    fn a_pass_whose_end_nobody_knew_shows_it_when_it_is_complete() {
        let out = Shared::default();
        let mut progress = Progress::to(Box::new(out.clone()), View::Line, 0);
        progress.begin(None);
        (1..=3).for_each(|done| progress.step(done, &Logs::new()));
        progress.finish(&Logs::new());
        let text = String::from_utf8(out.0.take()).expect("text");
        assert_eq!(text.split(" - ").next(), Some("3/3"));
    }

    #[test]
    fn silence_is_silent() {
        assert_eq!(shown(View::Silent), "");
    }

    #[test]
    fn only_new_compilations_are_shown() {
        let out = Shared::default();
        let mut progress = Progress::to(Box::new(out.clone()), View::Line, 1);
        let compilation = |program: &str| Compilation {
            program: program.to_owned(),
            batch: 32,
            time: Duration::from_millis(41),
            kernels: 17,
        };
        let mut all = vec![compilation("train_step"), compilation("eval_step")];
        progress.compiled(&all, 32);
        all.push(compilation("predict"));
        progress.compiled(&all, 32);
        let text = String::from_utf8(out.0.take()).expect("text");
        insta::assert_snapshot!(text, @"
        compiled eval_step in 41 ms (17 kernels)
        compiled predict in 41 ms (17 kernels)
        ");
    }

    #[test]
    fn the_first_step_does_not_count_where_there_are_more() {
        let ms = Duration::from_millis;
        assert_eq!(step_time(0, ms(7), ms(7)), Duration::ZERO);
        assert_eq!(step_time(1, ms(100), ms(100)), ms(100));
        assert_eq!(step_time(5, ms(120), ms(100)), ms(5));
    }

    /// A bar that grows looks at the clock rarely, and never later than after twice the steps done.
    #[test]
    fn the_clock_is_read_rarely() {
        let bar = Some(ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));
        let mut pass =
            Pass { steps: Some(1 << 20), done: 0, start: Instant::now(), first: None, due: 1, bar };
        let mut looks = 0;
        for done in 1..=1 << 16 {
            if done >= pass.due {
                pass.look(done, &Logs::new(), Paint::NONE);
                assert!(pass.due > done && pass.due <= 2 * done);
                looks += 1;
            }
        }
        assert!(looks < 1 << 12, "{looks}");
    }
}
