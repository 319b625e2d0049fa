//! Matrix products and sums of products.

use std::collections::BTreeMap;

use brolga_ir::{DType, Var};

use super::integers::wrap;
use crate::call::{Call, Outs, Sound, mistake, one};
use crate::error::Fault;

/// The product of matrices, broadcast over the axes before them; vectors are rows or columns.
pub(crate) fn mat_mul(call: &Call<'_>) -> Outs {
    one(wrap(&matmul(&call.var(0)?, &call.var(1)?)?, call.element(0)?))
}

/// NumPy's `matmul`.
pub(crate) fn matmul(a: &Var, b: &Var) -> Result<Var, Fault> {
    let (ra, rb) = (a.shape().rank(), b.shape().rank());
    if ra == 0 || rb == 0 {
        return mistake(
            format!("the product of {} and {}", a.ty(), b.ty()),
            "both are vectors, matrices, or several matrices",
        );
    }
    let a = if ra == 1 { a.reshape([1, a.shape()[0]]) } else { a.clone() };
    let b = if rb == 1 { b.reshape([b.shape()[0], 1]) } else { b.clone() };
    let product = batched(&a, &b)?.sound()?;
    let mut shape = product.shape().to_vec();
    if rb == 1 {
        shape.pop();
    }
    if ra == 1 {
        shape.remove(shape.len().saturating_sub(if rb == 1 { 1 } else { 2 }));
    }
    Ok(product.reshape(shape))
}

/// The product of batches of matrices whose batch axes broadcast.
fn batched(a: &Var, b: &Var) -> Result<Var, Fault> {
    let (ra, rb) = (a.shape().rank(), b.shape().rank());
    let (outer_a, inner_a) = a.shape().split_at(ra - 2);
    let (outer_b, inner_b) = b.shape().split_at(rb - 2);
    if outer_b.iter().product::<usize>() == 1 && rb <= ra {
        // One matrix for all rows: a single product.
        let rows = outer_a.iter().product::<usize>() * inner_a[0];
        let product = a.reshape([rows, inner_a[1]]).matmul(&b.reshape(inner_b)).sound()?;
        let shape = outer_a.iter().copied().chain([inner_a[0], inner_b[1]]);
        return Ok(product.reshape(shape.collect::<Vec<_>>()));
    }
    let [outer_a, outer_b] = [outer_a, outer_b].map(brolga_ir::Shape::from);
    let Some(outer) = outer_a.broadcast(&outer_b) else {
        return mistake(
            format!("the product of {} and {}", a.ty(), b.ty()),
            "the axes before the last two are equal, or 1",
        );
    };
    let wide = |x: &Var, inner: &[usize]| {
        let shape: Vec<usize> = outer.iter().chain(inner).copied().collect();
        if x.shape()[..] == shape[..] { x.clone() } else { x.broadcast(shape) }
    };
    Ok(wide(a, inner_a).matmul(&wide(b, inner_b)))
}

/// α · A′ · B′ + β · C, with operands transposed as attributes say.
pub(crate) fn gemm(call: &Call<'_>) -> Outs {
    let (a, b) = (call.var(0)?, call.var(1)?);
    let (alpha, beta) = (call.float("alpha", 1.0), call.float("beta", 1.0));
    let product = a.matmul_with(&b, call.flag("transA", false), call.flag("transB", false));
    let scaled = if alpha == 1.0 { product } else { product * alpha };
    one(match call.optional(2)? {
        Some(c) if beta == 1.0 => scaled + c,
        Some(c) => scaled + c * beta,
        None => scaled,
    })
}

/// `com.microsoft.FusedMatMul`: α · A′ · B′, with the last two axes exchanged as attributes say.
pub(crate) fn fused_mat_mul(call: &Call<'_>) -> Outs {
    for name in ["transBatchA", "transBatchB"] {
        if call.flag(name, false) {
            return mistake(format!("`{name}` is set"), "batches that are moved are not read");
        }
    }
    let exchanged = |index: usize, name: &str| {
        let x = call.var(index)?;
        let rank = x.shape().rank();
        if !call.flag(name, false) || rank < 2 {
            return Ok::<_, Fault>(x);
        }
        Ok(x.transpose(&(0..rank - 2).chain([rank - 1, rank - 2]).collect::<Vec<_>>()))
    };
    let product = matmul(&exchanged(0, "transA")?, &exchanged(1, "transB")?)?;
    one(product * call.float("alpha", 1.0))
}

/// A sum of products of elements, written as NumPy's `einsum` has it.
pub(crate) fn einsum(call: &Call<'_>) -> Outs {
    let equation: String =
        call.text("equation", "")?.chars().filter(|c| !c.is_whitespace()).collect();
    let vars = call.vars()?;
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = inputs.split(',').collect();
    if terms.len() != vars.len() {
        return mistake(
            format!("`equation` {equation:?} has {} terms", terms.len()),
            format!("the node has {} operands", vars.len()),
        );
    }
    let mut labelled = Vec::new();
    for (term, var) in terms.iter().zip(&vars) {
        labelled.push(Labelled::of(term, var, &equation)?);
    }
    let output = match output {
        Some(output) => output_labels(output, &labelled, &equation)?,
        None => implicit_labels(&labelled),
    };
    summed(labelled, &output)
}

/// A tensor whose axes have labels; those of an ellipsis are negative, the last one −1.
struct Labelled {
    var: Var,
    labels: Vec<i32>,
}

fn unreadable<T>(equation: &str) -> Result<T, Fault> {
    mistake(
        format!("`equation` is {equation:?}"),
        "it reads like \"...ij,jk->...ik\": a letter for each axis",
    )
}

impl Labelled {
    fn of(term: &str, var: &Var, equation: &str) -> Result<Self, Fault> {
        let rank = var.shape().rank();
        let letters = term.replace("...", "");
        let Some(hidden) = rank.checked_sub(letters.len()) else { return unreadable(equation) };
        if !letters.chars().all(|c| c.is_ascii_alphabetic())
            || (hidden > 0 && !term.contains("..."))
        {
            return unreadable(equation);
        }
        let mut labels = Vec::new();
        let (before, after) = term.split_once("...").unwrap_or((term, ""));
        labels.extend(before.bytes().map(i32::from));
        if term.contains("...") {
            labels.extend((1..=hidden as i32).rev().map(|at| -at));
        }
        labels.extend(after.bytes().map(i32::from));
        Self { var: var.clone(), labels }.without_repeats()
    }

    /// Axes of the same label become the diagonal of both.
    fn without_repeats(mut self) -> Result<Self, Fault> {
        let repeated = |labels: &[i32]| {
            (0..labels.len()).find_map(|b| (0..b).find(|&a| labels[a] == labels[b]).map(|a| (a, b)))
        };
        while let Some((a, b)) = repeated(&self.labels) {
            let shape = self.var.shape().to_vec();
            if shape[a] != shape[b] {
                return mistake(format!("a diagonal of {}", self.var.ty()), "extents are equal");
            }
            let rank = shape.len();
            let order: Vec<usize> =
                [a, b].into_iter().chain((0..rank).filter(|&at| at != a && at != b)).collect();
            let moved = self.var.transpose(&order);
            let extent = shape[a];
            let rest: Vec<usize> = order[2..].iter().map(|&at| shape[at]).collect();
            let width: usize = rest.iter().product();
            // Rows of the flat matrix are `extent + 1` apart on its diagonal.
            let rows = moved.reshape([extent * extent, width]);
            let steps = if extent == 0 { 1 } else { extent + 1 };
            let diagonal = rows.slice(&[0, 0], &[extent * extent, width], &[steps, 1]);
            self.var =
                diagonal.reshape([extent].into_iter().chain(rest).collect::<Vec<_>>()).sound()?;
            let labels = order.iter().map(|&at| self.labels[at]);
            let kept = labels.enumerate().filter(|(at, _)| *at != 1).map(|(_, label)| label);
            self.labels = kept.collect();
        }
        Ok(self)
    }
}

fn output_labels(output: &str, inputs: &[Labelled], equation: &str) -> Result<Vec<i32>, Fault> {
    let hidden = inputs.iter().flat_map(|input| &input.labels).copied().min().unwrap_or(0).min(0);
    let (before, after) = output.split_once("...").unwrap_or((output, ""));
    let mut labels: Vec<i32> = before.bytes().map(i32::from).collect();
    if output.contains("...") {
        labels.extend(hidden..0);
    }
    labels.extend(after.bytes().map(i32::from));
    let known = |label: &i32| inputs.iter().any(|input| input.labels.contains(label));
    let once = |at: usize| !labels[..at].contains(&labels[at]);
    if labels.iter().all(known) && (0..labels.len()).all(once) {
        Ok(labels)
    } else {
        unreadable(equation)
    }
}

/// Without an output, the labels that stand once, in the order of the alphabet, after an ellipsis.
fn implicit_labels(inputs: &[Labelled]) -> Vec<i32> {
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    for label in inputs.iter().flat_map(|input| &input.labels) {
        *counts.entry(*label).or_default() += 1;
    }
    counts.into_iter().filter(|&(label, count)| label < 0 || count == 1).map(|(l, _)| l).collect()
}

/// The product of two tensors at a time, labels that nothing needs any more summed away.
fn summed(mut inputs: Vec<Labelled>, output: &[i32]) -> Outs {
    inputs.reverse();
    let Some(mut product) = inputs.pop() else {
        return mistake("there is no operand", "the op takes one or more");
    };
    while let Some(next) = inputs.pop() {
        let needed = |label: &i32| {
            output.contains(label) || inputs.iter().any(|input| input.labels.contains(label))
        };
        product = contracted(&product, &next, &needed)?;
    }
    let gone: Vec<usize> =
        (0..product.labels.len()).filter(|&at| !output.contains(&product.labels[at])).collect();
    let kept: Vec<i32> =
        product.labels.iter().copied().filter(|label| output.contains(label)).collect();
    let sum = if gone.is_empty() { product.var } else { product.var.reduce_sum(&gone, false) };
    let place = |label: &i32| kept.iter().position(|known| known == label).unwrap_or(0);
    one(sum.transpose(&output.iter().map(place).collect::<Vec<_>>()))
}

/// The product of two tensors, in which labels that are not needed are summed away.
fn contracted(
    a: &Labelled,
    b: &Labelled,
    needed: &dyn Fn(&i32) -> bool,
) -> Result<Labelled, Fault> {
    let of = |labels: &[i32], keep: &dyn Fn(&i32) -> bool| -> Vec<i32> {
        labels.iter().copied().filter(|label| keep(label)).collect()
    };
    let both = |label: &i32| a.labels.contains(label) && b.labels.contains(label);
    let batch = of(&a.labels, &|label| both(label) && needed(label));
    let inner = of(&a.labels, &|label| both(label) && !needed(label));
    let rows = of(&a.labels, &|label| !b.labels.contains(label));
    let columns = of(&b.labels, &|label| !a.labels.contains(label));
    // Extents of 1 are repeated where the other tensor has more.
    let extent = |label: &i32| {
        let own =
            |x: &Labelled| x.labels.iter().position(|l| l == label).map(|at| x.var.shape()[at]);
        own(a).unwrap_or(1).max(own(b).unwrap_or(1))
    };
    let total = |labels: &[i32]| labels.iter().map(extent).fold(1, usize::saturating_mul);
    let matrix = |x: &Labelled, order: [&[i32]; 3]| -> Result<Var, Fault> {
        let labels: Vec<i32> = order.concat();
        let place = |label: &i32| x.labels.iter().position(|known| known == label).unwrap_or(0);
        let moved = x.var.transpose(&labels.iter().map(place).collect::<Vec<_>>()).sound()?;
        let shape: Vec<usize> = labels.iter().map(extent).collect();
        let wide = if moved.shape()[..] == shape[..] { moved } else { moved.broadcast(shape) };
        Ok(wide.reshape(order.map(total)))
    };
    let left = matrix(a, [&batch, &rows, &inner])?;
    let right = matrix(b, [&batch, &inner, &columns])?;
    let labels: Vec<i32> = [batch, rows, columns].concat();
    let shape: Vec<usize> = labels.iter().map(extent).collect();
    Ok(Labelled { var: left.matmul(&right).reshape(shape).sound()?, labels })
}

/// The determinant of matrices, by elimination without exchanges of rows but for zeros.
pub(crate) fn det(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let rank = x.shape().rank();
    let shape = x.shape().to_vec();
    if rank < 2 || shape[rank - 1] != shape[rank - 2] || shape[rank - 1] > 64 {
        return mistake(
            format!("the determinant of {}", x.ty()),
            "the last two extents are equal, and at most 64",
        );
    }
    let n = shape[rank - 1];
    let batch: usize = shape[..rank - 2].iter().product();
    let mut matrix = x.cast(DType::F64).reshape([batch, n, n]);
    let mut det = matrix.constant_like(1.0).broadcast([batch]);
    for size in (1..=n).rev() {
        let (sign, pivot, next) = eliminated(&matrix, batch, size)?;
        det = det * sign * pivot;
        matrix = next;
    }
    one(det.cast(x.dtype()).reshape(shape[..rank - 2].to_vec()))
}

/// One step of elimination with the greatest pivot: the sign of the exchange, the pivot, what is left.
fn eliminated(matrix: &Var, batch: usize, size: usize) -> Result<(Var, Var, Var), Fault> {
    let column = matrix.slice(&[0, 0, 0], &[batch, size, 1], &[1; 3]).reshape([batch, size]);
    let at = column.abs().argmax(1, false);
    let hot = at.one_hot(size, DType::F64).reshape([batch, 1, size]);
    let row = hot.matmul(matrix).sound()?;
    let pivot = row.slice(&[0, 0, 0], &[batch, 1, 1], &[1; 3]);
    // The first row takes the place of the pivot's.
    let first = matrix.slice(&[0, 0, 0], &[batch, 1, size], &[1; 3]);
    let column_of = hot.transpose(&[0, 2, 1]);
    let exchanged = matrix + &column_of * (first - &row);
    let rest = exchanged.slice(&[0, 1, 1], &[batch, size, size], &[1; 3]);
    let factors = exchanged.slice(&[0, 1, 0], &[batch, size, 1], &[1; 3]);
    let safe = pivot.eq(&pivot.constant_like(0.0)).select(&pivot.constant_like(1.0), &pivot);
    let top = row.slice(&[0, 0, 1], &[batch, 1, size], &[1; 3]);
    let next = rest - (factors / safe).matmul(&top);
    let moved = at.gt(&at.constant_like(0.0));
    let sign = moved.select(&matrix.constant_like(-1.0), &matrix.constant_like(1.0));
    Ok((sign, pivot.reshape([batch]), next.sound()?))
}
