//! Sums of products over labelled axes.

use brolga_ir::Var;

/// A tensor whose axes have labels.
pub(super) struct Labelled<'a> {
    pub(super) tensor: Var,
    pub(super) labels: &'a [char],
}

/// `Σ a · b` over all labels that are not among those of the result, as a batch of matrix products.
///
/// Labels of one tensor differ, axes of one label have the same extent, and each label of the
/// result is one of an operand.
pub(super) fn einsum(a: &Labelled<'_>, b: &Labelled<'_>, result: &[char]) -> Var {
    let (a, b) = (a.summed(b.labels, result), b.summed(a.labels, result));
    let of = |wanted: [bool; 3]| -> Vec<char> {
        let all = a.1.iter().chain(b.1.iter().filter(|label| !a.1.contains(label)));
        let fits = |label: &&char| {
            [a.1.contains(label), b.1.contains(label), result.contains(label)] == wanted
        };
        all.filter(fits).copied().collect()
    };
    let (batch, inner) = (of([true; 3]), of([true, true, false]));
    let (rows, columns) = (of([true, false, true]), of([false, true, true]));
    let extent = |label: &char| {
        let of = |(tensor, labels): &(Var, Vec<char>)| {
            labels.iter().position(|other| other == label).map(|axis| tensor.shape()[axis])
        };
        of(&a).or_else(|| of(&b)).unwrap_or(1)
    };
    let product = |labels: &[char]| labels.iter().map(extent).product::<usize>();
    let batches = if batch.is_empty() { vec![] } else { vec![product(&batch)] };
    let matrix = |(tensor, labels): &(Var, Vec<char>), parts: [&[char]; 3]| {
        let shape = [product(parts[1]), product(parts[2])];
        ordered(tensor, labels, &parts.concat())
            .reshape(batches.iter().copied().chain(shape).collect::<Vec<_>>())
    };
    let left = matrix(&a, [&batch, &rows, &inner]);
    let right = matrix(&b, [&batch, &inner, &columns]);
    let labels = [batch, rows, columns].concat();
    let product = left.matmul(&right).reshape(labels.iter().map(extent).collect::<Vec<_>>());
    ordered(&product, &labels, result)
}

/// The axes of a tensor in the order of these labels.
fn ordered(tensor: &Var, labels: &[char], wanted: &[char]) -> Var {
    if labels == wanted {
        return tensor.clone();
    }
    let place = |label: &char| labels.iter().position(|other| other == label).unwrap_or_default();
    tensor.transpose(&wanted.iter().map(place).collect::<Vec<_>>())
}

impl Labelled<'_> {
    /// The sum over the labels that neither the other operand nor the result has, and the labels
    /// left.
    fn summed(&self, other: &[char], result: &[char]) -> (Var, Vec<char>) {
        let stays = |label: &char| other.contains(label) || result.contains(label);
        let axes = self.labels.iter().enumerate().filter(|(_, label)| !stays(label));
        let axes: Vec<usize> = axes.map(|(axis, _)| axis).collect();
        let labels = self.labels.iter().copied().filter(stays).collect();
        let sum = match axes.is_empty() {
            true => self.tensor.clone(),
            false => self.tensor.reduce_sum(&axes, false),
        };
        (sum, labels)
    }
}
