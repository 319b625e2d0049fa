//! Comparison of a result with what a test expects.

use std::ops::Range;

use super::directives::{Check, CheckKind, Span, normalised};
use super::error::{Mismatch, excerpt};

/// The first difference of a result from what is expected.
#[derive(Debug)]
pub(super) struct Difference<'a> {
    /// Where the file states what is expected.
    span: &'a Span,
    message: String,
    help: Option<String>,
    /// The indices of the lines of the result that were searched.
    searched: Range<usize>,
    /// The index of the wrong line of the result.
    wrong: Option<usize>,
}

impl Difference<'_> {
    pub(super) fn of_file(self, file: &str, result: &[&str]) -> Mismatch {
        let mistake = self.span.mistake(file, &self.message, self.help.as_deref());
        Mismatch { mistake, result: excerpt(result, self.searched, self.wrong) }
    }
}

/// Looks for the text of each check, in order.
pub(super) fn checks<'a>(checks: &'a [Check], result: &[&str]) -> Result<(), Difference<'a>> {
    let lines: Vec<String> = result.iter().map(|line| normalised(line)).collect();
    // The first line that no check has taken, and the `check-not`s since then.
    let (mut free, mut absent) = (0, Vec::new());
    for check in checks {
        let mut candidates = match check.kind {
            CheckKind::Somewhere => free..lines.len(),
            CheckKind::Next => free..lines.len().min(free + 1),
            CheckKind::Nowhere => {
                absent.push(check);
                continue;
            }
        };
        let Some(taken) = candidates.find(|&line| lines[line].contains(&check.text)) else {
            return Err(missing(check, &lines, free));
        };
        are_absent(&absent, &lines, free..taken)?;
        absent.clear();
        free = taken + 1;
    }
    are_absent(&absent, &lines, free..lines.len())
}

fn missing<'a>(check: &'a Check, lines: &[String], free: usize) -> Difference<'a> {
    let earlier = lines[..free].iter().rposition(|line| line.contains(&check.text));
    let help = earlier.map(|line| format!("line {} has it: checks are in order", line + 1));
    let (message, searched, wrong) = match check.kind {
        CheckKind::Next if free < lines.len() => {
            let message = format!("line {} of the result does not have this text", free + 1);
            (message, free..free + 1, Some(free))
        }
        CheckKind::Next => ("the result ends before this line".to_owned(), free..free, None),
        _ if free == 0 => ("no line of the result has this text".to_owned(), 0..lines.len(), None),
        _ => {
            let message = format!("no line after line {free} of the result has this text");
            (message, free..lines.len(), None)
        }
    };
    Difference { span: &check.span, message, help, searched, wrong }
}

fn are_absent<'a>(
    absent: &[&'a Check],
    lines: &[String],
    among: Range<usize>,
) -> Result<(), Difference<'a>> {
    for check in absent {
        if let Some(line) = among.clone().find(|&line| lines[line].contains(&check.text)) {
            return Err(Difference {
                span: &check.span,
                message: format!("line {} of the result has this text", line + 1),
                help: None,
                searched: line..line + 1,
                wrong: Some(line),
            });
        }
    }
    Ok(())
}

/// Compares line by line.
pub(super) fn whole<'a>(
    title: &'a Span,
    expected: &'a [(String, Span)],
    result: &[&str],
) -> Result<(), Difference<'a>> {
    let same = expected.iter().zip(result).take_while(|((text, _), line)| text == *line).count();
    let (message, span) = match (expected.get(same), same < result.len()) {
        (None, false) => return Ok(()),
        (None, true) => {
            let span = expected.last().map_or(title, |(_, span)| span);
            (format!("the result continues with line {}", same + 1), span)
        }
        (Some((_, span)), true) => (format!("line {} of the result differs", same + 1), span),
        (Some((_, span)), false) => ("the result ends before this line".to_owned(), span),
    };
    Err(Difference {
        span,
        message,
        help: Some("if the result is right, `brolga test --bless` writes it down".to_owned()),
        searched: same..result.len().min(same + 1),
        wrong: (same < result.len()).then_some(same),
    })
}
