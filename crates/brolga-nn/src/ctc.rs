//! Labels of sequences, decoded from what a model trained with [`CTC`](crate::losses::CTC) gives.

use std::collections::BTreeMap;

use ndarray::{ArrayView2, Axis};

/// How labels are found in the logits of the frames.
///
/// Keras: `strategy` of `keras.ops.ctc_decode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The most probable class of each frame.
    Greedy,
    /// The most probable labels among those that begin with one of so many most probable ones of
    /// the frames before.
    Beam {
        /// How many beginnings are kept.
        width: usize,
    },
}

/// The labels of one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Class numbers, without blanks.
    pub labels: Vec<usize>,
    /// The logarithm of their probability: of the one path that was followed or, with a beam, of
    /// all paths that were.
    pub log_probability: f64,
}

/// Decodes the logits of a sample, `[frames, classes]`, of which class 0 is the blank: equal
/// neighbours are merged, then blanks are left out.
///
/// ```
/// use brolga_nn::ctc::{Strategy, decode};
/// use ndarray::array;
///
/// let logits = array![[0.0, 9.0, 0.0], [0.0, 9.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 9.0]];
/// assert_eq!(decode(logits.view(), Strategy::Greedy).labels, [1, 2]);
/// assert_eq!(decode(logits.view(), Strategy::Beam { width: 10 }).labels, [1, 2]);
/// ```
///
/// Graves, "Sequence transduction with recurrent neural networks" (2012); Hannun et al.,
/// "First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs"
/// (2014). Keras: `keras.ops.ctc_decode`.
#[must_use]
pub fn decode(logits: ArrayView2<'_, f32>, strategy: Strategy) -> Decoded {
    let frames: Vec<Vec<f64>> =
        logits.axis_iter(Axis(0)).map(|frame| log_softmax(frame.iter().copied())).collect();
    match strategy {
        Strategy::Greedy => greedy(&frames),
        Strategy::Beam { width } => beam(&frames, width.max(1)),
    }
}

fn log_softmax(logits: impl Iterator<Item = f32>) -> Vec<f64> {
    let logits: Vec<f64> = logits.map(f64::from).collect();
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
    logits.iter().map(|logit| logit - most - sum.ln()).collect()
}

fn greedy(frames: &[Vec<f64>]) -> Decoded {
    let (mut labels, mut before, mut log_probability) = (Vec::new(), 0, 0.0);
    for frame in frames {
        let best = (0..frame.len()).rev().max_by(|&a, &b| frame[a].total_cmp(&frame[b]));
        let Some(best) = best else { continue };
        log_probability += frame[best];
        if best != 0 && best != before {
            labels.push(best);
        }
        before = best;
    }
    Decoded { labels, log_probability }
}

/// The logarithms of the probabilities of the paths of some labels: of those that end in a blank,
/// and of the others.
#[derive(Clone, Copy)]
struct Ends {
    blank: f64,
    label: f64,
}

impl Ends {
    const NEVER: Self = Self { blank: f64::NEG_INFINITY, label: f64::NEG_INFINITY };

    fn total(self) -> f64 {
        log_add(self.blank, self.label)
    }
}

fn log_add(a: f64, b: f64) -> f64 {
    let (most, least) = if a > b { (a, b) } else { (b, a) };
    if least == f64::NEG_INFINITY { most } else { most + (least - most).exp().ln_1p() }
}

fn beam(frames: &[Vec<f64>], width: usize) -> Decoded {
    let mut kept = vec![(Vec::new(), Ends { blank: 0.0, label: f64::NEG_INFINITY })];
    for frame in frames {
        let mut next: BTreeMap<Vec<usize>, Ends> = BTreeMap::new();
        for (labels, ends) in &kept {
            for (class, &log_p) in frame.iter().enumerate() {
                let last = labels.last().copied();
                if class == 0 {
                    let own = next.entry(labels.clone()).or_insert(Ends::NEVER);
                    own.blank = log_add(own.blank, ends.total() + log_p);
                    continue;
                }
                let mut longer = labels.clone();
                longer.push(class);
                let others = if last == Some(class) { ends.blank } else { ends.total() };
                let own = next.entry(longer).or_insert(Ends::NEVER);
                own.label = log_add(own.label, others + log_p);
                if last == Some(class) {
                    let own = next.entry(labels.clone()).or_insert(Ends::NEVER);
                    own.label = log_add(own.label, ends.label + log_p);
                }
            }
        }
        kept = next.into_iter().collect();
        kept.sort_by(|(_, a), (_, b)| b.total().total_cmp(&a.total()));
        kept.truncate(width);
    }
    let (labels, ends) = kept.swap_remove(0);
    Decoded { labels, log_probability: ends.total() }
}
