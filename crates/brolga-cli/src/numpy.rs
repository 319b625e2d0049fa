//! Tensors as NumPy prints them: aligned, and with `...` for the middle of large ones.

mod floats;

use std::ops::Range;

use brolga_ir::{Data, Tensor};

use floats::Float;

/// The most elements that are not summarised.
const THRESHOLD: usize = 1000;
/// How many elements a summary shows at each end of an axis.
const EDGE: usize = 3;
/// The width of a line.
const WIDTH: usize = 75;

/// Whether NumPy would leave elements out.
pub(crate) fn is_summarised(tensor: &Tensor) -> bool {
    tensor.shape().elements() > THRESHOLD
}

/// The tensor as `print` in Python shows the array.
pub(crate) fn text(tensor: &Tensor) -> String {
    let shape = tensor.shape();
    match shape.elements() {
        0 => return "[]".to_owned(),
        _ if shape.rank() == 0 => return scalar(tensor.data()),
        _ => {}
    }
    let axes: Vec<Axis> =
        shape.iter().map(|&extent| Axis::new(extent, is_summarised(tensor))).collect();
    let mut offsets = vec![];
    shown(&axes, &shape.strides(), 0, &mut offsets);
    let elements = aligned(&tensor.data().pick(&offsets));
    Printer { axes: &axes, elements: elements.into_iter() }.array(0)
}

/// The elements of an axis that are shown.
struct Axis {
    first: Range<usize>,
    last: Range<usize>,
}

impl Axis {
    fn new(extent: usize, summarised: bool) -> Self {
        if summarised && extent > 2 * EDGE {
            Self { first: 0..EDGE, last: extent - EDGE..extent }
        } else {
            Self { first: 0..extent, last: extent..extent }
        }
    }

    fn is_summarised(&self) -> bool {
        self.first.end < self.last.start
    }

    fn shown(&self) -> impl Iterator<Item = usize> {
        self.first.clone().chain(self.last.clone())
    }
}

/// Collects the offsets of the elements that are shown.
fn shown(axes: &[Axis], strides: &[usize], offset: usize, offsets: &mut Vec<usize>) {
    match axes {
        [] => offsets.push(offset),
        [axis, inner @ ..] => {
            axis.shown()
                .for_each(|i| shown(inner, &strides[1..], offset + i * strides[0], offsets));
        }
    }
}

struct Printer<'a, I> {
    axes: &'a [Axis],
    elements: I,
}

impl<I: Iterator<Item = String>> Printer<'_, I> {
    fn element(&mut self) -> String {
        self.elements.next().unwrap_or_default()
    }

    /// The text of the axes from `depth` on.
    fn array(&mut self, depth: usize) -> String {
        let axis = &self.axes[depth];
        let indent = " ".repeat(depth + 1);
        let inner = self.axes.len() - depth - 1;
        if inner == 0 {
            let mut words: Vec<String> = axis.shown().map(|_| self.element()).collect();
            if axis.is_summarised() {
                words.insert(axis.first.len(), "...".to_owned());
            }
            return format!("[{}]", wrapped(&words, &indent, WIDTH - depth - 1));
        }
        let mut parts: Vec<String> = axis.shown().map(|_| self.array(depth + 1)).collect();
        if axis.is_summarised() {
            parts.insert(axis.first.len(), "...".to_owned());
        }
        format!("[{}]", parts.join(&format!("{}{indent}", "\n".repeat(inner))))
    }
}

/// Words in lines of this width; lines but the first are indented.
fn wrapped(words: &[String], indent: &str, width: usize) -> String {
    let mut lines = vec![];
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && indent.len() + line.len() + 1 + word.len() > width {
            lines.push(line.trim_end().to_owned());
            line.clear();
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join(&format!("\n{indent}"))
}

/// The elements in columns of one width.
fn aligned(data: &Data) -> Vec<String> {
    match (Float::of(data), data) {
        (Some(floats), _) => right(floats::aligned(&floats)),
        (None, Data::Bool(_)) => words(data).into_iter().map(|word| format!("{word:>5}")).collect(),
        (None, _) => right(words(data)),
    }
}

/// The only element.
fn scalar(data: &Data) -> String {
    let float = Float::of(data).and_then(|floats| floats.first().map(Float::scalar));
    float.unwrap_or_else(|| words(data).concat())
}

/// Elements as Python writes them, if they are no floats.
fn words(data: &Data) -> Vec<String> {
    let truth = |&x| if x { "True" } else { "False" }.to_owned();
    match data {
        Data::Bool(v) => v.iter().map(truth).collect(),
        Data::I64(v) => v.iter().map(ToString::to_string).collect(),
        Data::I32(v) => v.iter().map(ToString::to_string).collect(),
        Data::U8(v) => v.iter().map(ToString::to_string).collect(),
        Data::F32(_) | Data::F64(_) | Data::BF16(_) | Data::F16(_) => vec![],
    }
}

fn right(words: Vec<String>) -> Vec<String> {
    let width = words.iter().map(String::len).max().unwrap_or(0);
    words.into_iter().map(|word| format!("{word:>width$}")).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use brolga_ir::DType;

    use super::*;

    fn f32s(values: &[f32]) -> String {
        text(&Tensor::f32([values.len()], values.to_vec()).unwrap())
    }

    #[test]
    fn points_are_below_each_other() {
        insta::assert_snapshot!(f32s(&[1.0, -2.25, 0.1]), @"[ 1.   -2.25  0.1 ]");
        insta::assert_snapshot!(f32s(&[1.0, f32::NAN, f32::NEG_INFINITY]), @"[  1.  nan -inf]");
        insta::assert_snapshot!(f32s(&[f32::NAN]), @"[nan]");
        insta::assert_snapshot!(f32s(&[0.333_333_34, 3.0]), @"[0.33333334 3.        ]");
        insta::assert_snapshot!(f32s(&[]), @"[]");
    }

    #[test]
    fn different_sizes_have_exponents() {
        insta::assert_snapshot!(f32s(&[1e-5, 1.0]), @"[1.e-05 1.e+00]");
        insta::assert_snapshot!(f32s(&[1.25e10, 0.0, f32::INFINITY]), @"[1.25e+10 0.00e+00      inf]");
        insta::assert_snapshot!(f32s(&[-0.000_012_345_679]), @"[-1.2345679e-05]");
    }

    #[test]
    fn scalars_and_other_elements() {
        insta::assert_snapshot!(text(&Tensor::scalar(DType::F32, 2.0)), @"2.0");
        let tiny = Tensor::scalar(DType::F32, 1e-7);
        insta::assert_snapshot!(text(&tiny), @"1e-07");
        let halves = Tensor::new([2], Data::from_f64(DType::F16, &[-1.2373, 1.0])).unwrap();
        insta::assert_snapshot!(text(&halves), @"[-1.237  1.   ]");
        let ints = Tensor::new([2, 2], Data::I32(vec![1, -20, 300, 4])).unwrap();
        insta::assert_snapshot!(text(&ints), @"
        [[  1 -20]
         [300   4]]
        ");
        let bools = Tensor::new([2], Data::Bool(vec![true, false])).unwrap();
        insta::assert_snapshot!(text(&bools), @"[ True False]");
        let truths = Tensor::new([2], Data::Bool(vec![true; 2])).unwrap();
        insta::assert_snapshot!(text(&truths), @"[ True  True]");
    }

    #[test]
    fn lines_are_wrapped() {
        let ints = Tensor::new([40], Data::I64((0..40).collect())).unwrap();
        insta::assert_snapshot!(text(&ints), @"
        [ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23
         24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39]
        ");
    }

    #[test]
    fn large_tensors_are_summarised() {
        let ints = |shape: &[usize]| {
            let count = shape.iter().product::<usize>() as i32;
            text(&Tensor::new(shape, Data::I32((0..count).collect())).unwrap())
        };
        insta::assert_snapshot!(ints(&[1001]), @"[   0    1    2 ...  998  999 1000]");
        insta::assert_snapshot!(ints(&[2, 30, 30]), @"
        [[[   0    1    2 ...   27   28   29]
          [  30   31   32 ...   57   58   59]
          [  60   61   62 ...   87   88   89]
          ...
          [ 810  811  812 ...  837  838  839]
          [ 840  841  842 ...  867  868  869]
          [ 870  871  872 ...  897  898  899]]

         [[ 900  901  902 ...  927  928  929]
          [ 930  931  932 ...  957  958  959]
          [ 960  961  962 ...  987  988  989]
          ...
          [1710 1711 1712 ... 1737 1738 1739]
          [1740 1741 1742 ... 1767 1768 1769]
          [1770 1771 1772 ... 1797 1798 1799]]]
        ");
    }
}
