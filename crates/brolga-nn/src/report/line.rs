//! The line that Keras shows for a pass over the data.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::history::Logs;

/// How far a pass over the data is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    /// The number of steps done.
    pub(crate) done: usize,
    /// The number of all steps, if it is known.
    pub(crate) steps: Option<usize>,
    /// The time since the pass began.
    pub(crate) elapsed: Duration,
    /// The time that a step takes.
    pub(crate) step: Duration,
}

/// The control sequences of a terminal, or nothing instead of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    bold: &'static str,
    done: &'static str,
    left: &'static str,
    reset: &'static str,
}

impl Paint {
    /// No colours.
    pub(crate) const NONE: Self = Self { bold: "", done: "", left: "", reset: "" };
    /// Keras's colours.
    pub(crate) const COLOURS: Self =
        Self { bold: "\x1b[1m", done: "\x1b[32m", left: "\x1b[37m", reset: "\x1b[0m" };
}

/// The number of characters of a bar.
const WIDTH: usize = 20;

/// ` 17/313 ━━━━━━━━━━━━━━━━━━━━ 1s 4ms/step - accuracy: 0.9123 - loss: 0.2871`: with the time
/// left, or the time taken when it is complete. While nobody knows how many steps there are, it is
/// `     17/Unknown 1s 4ms/step - ..`, with the time taken.
pub(crate) fn write_bar(
    out: &mut impl Write,
    at: &Position,
    complete: bool,
    logs: &Logs,
    paint: Paint,
) -> fmt::Result {
    let Paint { bold, done, left, reset } = paint;
    if let Some(steps) = at.steps {
        let filled = WIDTH * at.done.min(steps) / steps.max(1);
        write!(out, "{bold}{}{reset} ", Count(at.done, steps))?;
        if filled > 0 {
            write!(out, "{done}{}{reset}", "━".repeat(filled))?;
        }
        if filled < WIDTH {
            write!(out, "{left}{}{reset}", "━".repeat(WIDTH - filled))?;
        }
    } else {
        write!(out, "{:>7}/Unknown", at.done)?;
    }
    match at.steps {
        Some(steps) if !complete => {
            let left = at.step.as_secs_f64() * steps.saturating_sub(at.done) as f64;
            write!(out, " {bold}{}{reset}", TimeLeft(left as u64))?;
        }
        _ => write!(out, " {bold}{:.0}s{reset}", at.elapsed.as_secs_f64())?,
    }
    write!(out, " {}", StepTime(at.step))?;
    write_logs(out, logs)
}

/// `313/313 - 1s - 4ms/step - accuracy: 0.9123 - loss: 0.2871`
pub(crate) fn write_line(out: &mut impl Write, at: &Position, logs: &Logs) -> fmt::Result {
    let count = Count(at.done, at.steps.unwrap_or(at.done));
    write!(out, "{count} - {:.0}s - {}", at.elapsed.as_secs_f64(), StepTime(at.step))?;
    write_logs(out, logs)
}

/// Keras sorts what it reports by name, that of the validation after the rest.
fn write_logs(out: &mut impl Write, logs: &Logs) -> fmt::Result {
    let mut logs: Vec<_> = logs.iter().collect();
    logs.sort_by_key(|&(name, _)| (name.starts_with("val_"), name));
    logs.into_iter().try_for_each(|(name, value)| write!(out, " - {name}: {}", Value(value)))
}

/// Steps done, of how many.
struct Count(usize, usize);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(done, steps) = self;
        let digits = steps.max(1).ilog10() as usize + 1;
        write!(f, "{done:>digits$}/{steps}")
    }
}

/// Whole seconds: `12s`, `2:05`, `1:02:05`.
struct TimeLeft(u64);

impl fmt::Display for TimeLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0;
        let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match seconds {
            0..=60 => write!(f, "{seconds}s"),
            61..=3600 => write!(f, "{}:{rest:02}", seconds / 60),
            _ => write!(f, "{hours}:{minutes:02}:{rest:02}"),
        }
    }
}

/// `2s/step`, `6ms/step`, `80us/step`.
struct StepTime(Duration);

impl fmt::Display for StepTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        match seconds {
            _ if seconds >= 1.0 || seconds == 0.0 => write!(f, "{seconds:.0}s/step"),
            _ if seconds >= 1e-3 => write!(f, "{:.0}ms/step", seconds * 1e3),
            _ => write!(f, "{:.0}us/step", seconds * 1e6),
        }
    }
}

/// Four decimals; numbers up to a thousandth in the exponential form, `2.5000e-04`.
struct Value(f64);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value.abs() > 1e-3 && value.is_finite() => write!(f, "{value:.4}"),
            value => f.write_str(&exponential(value, 4)),
        }
    }
}

/// Python's exponential form: the exponent has a sign and two digits at least. NaN and infinities
/// are `nan`, `inf` and `-inf`.
pub(crate) fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs() -> Logs {
        let mut logs = Logs::new();
        for (name, value) in
            [("loss", 0.28714), ("accuracy", 0.9123), ("val_loss", 2e-4), ("val_accuracy", 1.0)]
        {
            logs.set(name, value);
        }
        logs
    }

    fn position(done: usize, steps: usize, elapsed: f64, step: f64) -> Position {
        let [elapsed, step] = [elapsed, step].map(Duration::from_secs_f64);
        Position { done, steps: Some(steps), elapsed, step }
    }

    fn bar(at: &Position, complete: bool, logs: &Logs, paint: Paint) -> String {
        let mut text = String::new();
        write_bar(&mut text, at, complete, logs, paint).expect("strings can be written to");
        text
    }

    #[test]
    fn a_complete_bar_tells_the_time_taken() {
        let text = bar(&position(1875, 1875, 12.4, 0.0062), true, &logs(), Paint::NONE);
        insta::assert_snapshot!(text, @"1875/1875 ━━━━━━━━━━━━━━━━━━━━ 12s 6ms/step - accuracy: 0.9123 - loss: 0.2871 - val_accuracy: 1.0000 - val_loss: 2.0000e-04");
    }

    #[test]
    fn a_growing_bar_tells_the_time_left() {
        let text = bar(&position(45, 100, 9.0, 0.2), false, &Logs::new(), Paint::NONE);
        insta::assert_snapshot!(text, @" 45/100 ━━━━━━━━━━━━━━━━━━━━ 11s 200ms/step");
        let text = bar(&position(45, 100, 9.0, 0.2), false, &Logs::new(), Paint::COLOURS);
        assert_eq!(
            text,
            "\x1b[1m 45/100\x1b[0m \x1b[32m━━━━━━━━━\x1b[0m\x1b[37m━━━━━━━━━━━\x1b[0m \x1b[1m11s\x1b[0m 200ms/step"
        );
    }

    #[test]
    fn a_bar_whose_end_nobody_knows_counts() {
        let at = Position { steps: None, ..position(45, 0, 9.0, 0.2) };
        let text = bar(&at, false, &logs(), Paint::NONE);
        assert_eq!(text.split(" - ").next(), Some("     45/Unknown 9s 200ms/step"));
    }

    #[test]
    fn a_line_has_no_bar() {
        let mut text = String::new();
        write_line(&mut text, &position(18, 18, 0.4, 0.000_026), &logs()).expect("as above");
        insta::assert_snapshot!(text, @"18/18 - 0s - 26us/step - accuracy: 0.9123 - loss: 0.2871 - val_accuracy: 1.0000 - val_loss: 2.0000e-04");
    }

    #[test]
    fn times_and_values_are_written_as_keras_does() {
        assert_eq!(
            [0, 60, 61, 3600, 3725].map(|s| TimeLeft(s).to_string()),
            ["0s", "60s", "1:01", "60:00", "1:02:05"]
        );
        let steps = [0.0, 2.4, 0.999, 0.0014, 1.4e-5].map(Duration::from_secs_f64);
        assert_eq!(
            steps.map(|step| StepTime(step).to_string()),
            ["0s/step", "2s/step", "999ms/step", "1ms/step", "14us/step"]
        );
        let values = [0.5, -12.345_67, 1e-3, 0.0, -2.5e-12, f64::NAN, f64::NEG_INFINITY];
        assert_eq!(
            values.map(|value| Value(value).to_string()),
            ["0.5000", "-12.3457", "1.0000e-03", "0.0000e+00", "-2.5000e-12", "nan", "-inf"]
        );
    }
}
