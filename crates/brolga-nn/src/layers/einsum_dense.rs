//! A dense layer over labelled axes.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::einsum::{Labelled, einsum};
use super::weights::{Bias, Kernel, bias_setters, kernel_setters};
use super::{Base, Layer, WeightSpec, layer, shapes};
use crate::activations::Activation;
use crate::setters::setters;
use crate::trace::Call;

/// `y = f(einsum(equation, x, kernel) + bias)`: each axis of `x`, `kernel` and `y` has a letter in
/// the equation, and products are summed over the letters that `y` has not.
///
/// The equation is `"abc,cde->abde"`, `"...x,xy->...y"` or `"ab...,bc->ac..."`, where `...` are any
/// number of further axes. `output_shape` is the shape of `y` without the batch and without what
/// `...` stands for; an extent that `x` tells may be left open. The kernel's extents follow from
/// `x` and `output_shape`. `bias_axes` are the letters of `y` for whose axes there is a bias; none
/// by default.
///
/// A mistake if the equation has another form, or does not fit the input and `output_shape`.
///
/// Keras: <https://keras.io/api/layers/core_layers/einsum_dense/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EinsumDense {
    #[serde(flatten)]
    base: Base,
    equation: String,
    output_shape: OutputShape,
    #[serde(default)]
    activation: Activation,
    #[serde(default)]
    bias_axes: Option<String>,
    #[serde(flatten)]
    kernel: Kernel,
    #[serde(flatten)]
    bias: Bias,
}

/// Extents of an output, of which some may be left open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OutputShape {
    /// One extent.
    One(usize),
    /// Several extents.
    Many(Vec<Option<usize>>),
}

impl From<usize> for OutputShape {
    fn from(extent: usize) -> Self {
        Self::One(extent)
    }
}

impl<const N: usize> From<[usize; N]> for OutputShape {
    fn from(extents: [usize; N]) -> Self {
        Self::Many(extents.map(Some).into())
    }
}

impl<const N: usize> From<[Option<usize>; N]> for OutputShape {
    fn from(extents: [Option<usize>; N]) -> Self {
        Self::Many(extents.into())
    }
}

impl OutputShape {
    fn extents(&self) -> Vec<Option<usize>> {
        match self {
            Self::One(extent) => vec![Some(*extent)],
            Self::Many(extents) => extents.clone(),
        }
    }
}

layer!(EinsumDense);

impl EinsumDense {
    /// A layer of this equation, whose output has these extents.
    pub fn new(equation: impl Into<String>, output_shape: impl Into<OutputShape>) -> Self {
        Self {
            base: Base::default(),
            equation: equation.into(),
            output_shape: output_shape.into(),
            activation: Activation::default(),
            bias_axes: None,
            kernel: Kernel::default(),
            bias: Bias::default(),
        }
    }

    setters! {
        /// The letters of the output for whose axes there is a bias; none by default.
        bias_axes: some String,
        /// What is applied to the sum; nothing by default.
        activation: into Activation,
    }

    kernel_setters!();
    bias_setters!();

    /// The equation for an input of this type.
    fn plan(&self, x: &Type) -> Result<Plan, Mistake> {
        let equation = Equation::read(&self.equation, x.shape.rank())?;
        let Equation { input, kernel, output, further } = &equation;
        let mut open = self.output_shape.extents();
        // The axes that `...` stands for are those of the input; the batch is one of them, or the
        // first letter.
        let elided = output.iter().enumerate().filter(|(_, label)| further.contains(label));
        for (place, _) in elided.filter(|(place, _)| *place > 0) {
            open.insert((place - 1).min(open.len()), None);
        }
        open.insert(0, None);
        if open.len() != output.len() {
            let batch = usize::from(!further.contains(&output[0]));
            let (wanted, given) =
                (output.len() - further.len() - batch, self.output_shape.extents().len());
            let message = format!(
                "the output of `{}` has {wanted} axes beside the batch, output_shape is for {given}",
                self.equation
            );
            return Err(Mistake::new(message).help("give one for each letter of the output"));
        }
        let of_input =
            |label: &char| input.iter().position(|other| other == label).map(|axis| x.shape[axis]);
        let mut extents = vec![];
        for (label, given) in output.iter().zip(open) {
            extents.push(match (given, of_input(label)) {
                (Some(given), Some(extent)) if given != extent => {
                    let message = format!(
                        "the axis `{label}` has extent {extent} in the input and {given} in output_shape"
                    );
                    return Err(Mistake::new(message)
                        .help("leave it open in output_shape (None, in a config null)"));
                }
                (Some(extent), _) | (None, Some(extent)) => extent,
                (None, None) => {
                    let message = format!("output_shape leaves the extent of the axis `{label}` open");
                    return Err(Mistake::new(message).help("the input does not tell it: give it"));
                }
            });
        }
        let of_output =
            |label: &char| output.iter().position(|other| other == label).map(|axis| extents[axis]);
        let extent = |label: &char| of_output(label).or_else(|| of_input(label)).unwrap_or(1);
        let kernel_shape = kernel.iter().map(extent).collect();
        let bias_shape = self.bias_shape(&equation, &extents)?;
        Ok(Plan { equation, kernel_shape, bias_shape })
    }

    /// From the first axis with a bias on, the extents of those with one, and 1 for the others.
    fn bias_shape(
        &self,
        equation: &Equation,
        extents: &[usize],
    ) -> Result<Option<Vec<usize>>, Mistake> {
        let Some(axes) = self.bias_axes.as_ref().filter(|axes| !axes.is_empty()) else {
            return Ok(None);
        };
        let labels = &equation.output;
        let is_free =
            |label: char| labels.first() != Some(&label) && !equation.further.contains(&label);
        if let Some(wrong) = axes.chars().find(|label| !labels.contains(label) || !is_free(*label))
        {
            let message = format!(
                "there is no axis `{wrong}` for a bias in the output of `{}`",
                self.equation
            );
            return Err(Mistake::new(message)
                .help("bias_axes are letters of the output, without the batch"));
        }
        let first = labels.iter().position(|label| axes.contains(*label)).unwrap_or_default();
        let extent = |place: usize| if axes.contains(labels[place]) { extents[place] } else { 1 };
        Ok(Some((first..labels.len()).map(extent).collect()))
    }
}

/// What an equation comes to for an input.
struct Plan {
    equation: Equation,
    kernel_shape: Vec<usize>,
    bias_shape: Option<Vec<usize>>,
}

/// The labels of all axes; those that `...` stands for are digits.
struct Equation {
    input: Vec<char>,
    kernel: Vec<char>,
    output: Vec<char>,
    further: Vec<char>,
}

impl Equation {
    fn read(text: &str, rank: usize) -> Result<Self, Mistake> {
        let form = || {
            Mistake::new(format!("`{text}` is no equation of EinsumDense"))
                .help("write \"abc,cde->abde\", \"...x,xy->...y\" or \"ab...,bc->ac...\", each letter of an operand once")
        };
        let (operands, output) = text.split_once("->").ok_or_else(form)?;
        let (input, kernel) = operands.split_once(',').ok_or_else(form)?;
        let bare = input.replacen("...", "", 1);
        if !bare.chars().all(|c| c.is_ascii_alphabetic()) {
            return Err(form());
        }
        let (letters, has_dots) = (bare.len(), bare.len() < input.len());
        let further: Vec<char> = ('0'..='9').take(rank.saturating_sub(letters)).collect();
        if rank < letters || (!has_dots && rank != letters) {
            let message = format!("`{text}` takes an input of {letters} axes, given one of {rank}");
            return Err(Mistake::new(message)
                .help("the batch is an axis too; `...` stands for any number of axes"));
        }
        let labels = |term: &str| -> Option<Vec<char>> {
            let dots: String = further.iter().collect();
            let replaced = term.replacen("...", &dots, 1);
            let labels: Vec<char> = replaced.chars().collect();
            let once =
                labels.iter().enumerate().all(|(place, label)| !labels[..place].contains(label));
            let known = labels.iter().all(|c| c.is_ascii_alphabetic() || further.contains(c));
            (once && known && !labels.is_empty()).then_some(labels)
        };
        let same_dots = input.starts_with("...") == output.starts_with("...")
            && input.ends_with("...") == output.ends_with("...");
        let [input, output] = [input, output].map(labels);
        let (Some(input), Some(kernel), Some(output)) = (input, labels(kernel), output) else {
            return Err(form());
        };
        let is_known = |label: &char| input.contains(label) || kernel.contains(label);
        let is_used = |label: &char| input.contains(label) || output.contains(label);
        match same_dots && output.iter().all(is_known) && kernel.iter().all(is_used) {
            true => Ok(Self { input, kernel, output, further }),
            false => Err(form()),
        }
    }
}

impl Layer for EinsumDense {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let [x] = inputs else {
            return Err(Mistake::new(format!(
                "EinsumDense takes one input, given {}",
                shapes(inputs)
            )));
        };
        let Plan { kernel_shape, bias_shape, .. } = self.plan(x)?;
        let kernel = self.kernel.declare("kernel", kernel_shape);
        let bias = bias_shape.map(|shape| self.bias.declare("bias", shape));
        Ok(std::iter::once(kernel).chain(bias).collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.plan(x.ty()) {
            Ok(Plan { equation, bias_shape, .. }) => {
                let x = Labelled { tensor: x, labels: &equation.input };
                let kernel = Labelled { tensor: call.weight("kernel"), labels: &equation.kernel };
                let sum = einsum(&x, &kernel, &equation.output);
                let sum = if bias_shape.is_some() { sum + call.weight("bias") } else { sum };
                call.activate(&self.activation, &sum)
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
