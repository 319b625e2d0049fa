//! Samples, labels and weights: whether they fit the model, and their way into a program.

use std::collections::{HashMap, HashSet};

use brolga_ir::ops::ParameterKind;
use brolga_ir::{DType, Data as TensorData, Graph, Mistake, Tensor, Type};
use brolga_runtime::{Executable, Feed, RuntimeError, State};

use super::cause::cause;
use super::objective::Objective;
use crate::arguments::{self, Argument, Range};
use crate::arrays::Arrays;
use crate::data::Data;
use crate::error::NnError;
use crate::head::Head;
use crate::losses::{Labels, Loss};
use crate::network::{Built, Port};
use crate::nonfinite::Cause;
use crate::registry::snake_case;

/// The samples of a training or an evaluation, checked against the model.
#[derive(Debug, Clone)]
pub(crate) struct Samples<'a> {
    /// The arrays, under the names of the programs' inputs; all of the same length.
    arrays: Vec<(String, Data<'a>)>,
    weighted: bool,
    /// The prefix of the arrays' names in messages: `""` or `"validation "`.
    prefix: &'static str,
}

/// The arrays that a user gives for a training or an evaluation.
pub(crate) struct Given<'a> {
    pub(crate) x: Arrays<'a>,
    pub(crate) y: Arrays<'a>,
    pub(crate) sample_weight: Option<Arrays<'a>>,
}

impl<'a> Samples<'a> {
    /// Checks shapes and labels. `prefix` is `""` or `"validation "`.
    pub(crate) fn new(
        built: &Built,
        objectives: &[Objective],
        Given { x, y, sample_weight }: Given<'a>,
        prefix: &'static str,
    ) -> Result<Self, NnError> {
        let mut arrays = inputs(built, x, prefix)?;
        let outputs = &built.outputs;
        let names: Vec<&str> = objectives.iter().map(|o| &*outputs[o.output].name).collect();
        let labels = y.of_objectives(objectives, outputs.len());
        let labels =
            labels.assign(&names, (&format!("{prefix}y"), "output with a loss or metrics"))?;
        let weights = sample_weight.map(|weights| {
            let what = format!("{prefix}sample_weight");
            weights.repeated(names.len()).assign(&names, (&what, "output with a loss or metrics"))
        });
        let weights = weights.transpose()?;
        let weighted = weights.is_some();
        let mut of_output = vec![];
        for (objective, y) in objectives.iter().zip(labels) {
            let port = &outputs[objective.output];
            let program_input = port.program_input("y", outputs);
            let what = format!("{prefix}{program_input}");
            y.check_copied(&what)?;
            same_length(first(&arrays, prefix), (&what, &y))?;
            if objective.loss.is_some() {
                check_labels(port, objective, &y, &what)?;
            }
            of_output.push((program_input, y));
        }
        for (objective, weight) in objectives.iter().zip(weights.into_iter().flatten()) {
            let program_input = outputs[objective.output].program_input("sample_weight", outputs);
            let what = format!("{prefix}{program_input}");
            weight.check_copied(&what)?;
            same_length(first(&arrays, prefix), (&what, &weight))?;
            if weight.sample_len() != 1 {
                return Err(NnError::LabelShape {
                    loss: "the loss".to_owned(),
                    what,
                    expected: [].into(),
                    given: weight.sample_shape().into(),
                    help: "give one weight for each sample".to_owned(),
                });
            }
            of_output.push((program_input, weight));
        }
        arrays.extend(of_output);
        Ok(Self { arrays, weighted, prefix })
    }

    /// Multiplies the weight of each sample by that of its class, if any class has one. The model
    /// has one output with a loss. Returns the classes that have a weight, but no sample.
    ///
    /// # Errors
    /// If there are several, or a class has no weight that a number can be.
    pub(crate) fn weigh_classes(
        &mut self,
        objectives: &[Objective],
        outputs: &[Port],
        classes: &HashMap<i64, f64>,
        method: &'static str,
    ) -> Result<Vec<i64>, NnError> {
        let mut unseen: HashSet<i64> = classes.keys().copied().collect();
        if classes.is_empty() {
            return Ok(vec![]);
        }
        let [Objective { output, .. }] = objectives else {
            let message = format!("{method}: class_weight is for models of one output");
            let help = "give the weights of the samples as sample_weight";
            return Err(Mistake::new(message).help(help).into());
        };
        for weight in classes.values() {
            let weight = Argument::new("class_weight", weight, Range::AtLeast(0.0));
            arguments::check(method, &[weight])?;
        }
        let name = |role| outputs[*output].program_input(role, outputs);
        let (y, weight) = (name("y"), name("sample_weight"));
        let mut values = vec![];
        if let Some(labels) = self.input(&y) {
            let mut row = vec![0.0; labels.sample_len()];
            values = brolga_memory::with_capacity(self.len()).map_err(RuntimeError::from)?;
            for sample in 0..labels.samples() {
                labels.gather_f32(&[sample], &mut row);
                let class = class(&row);
                unseen.remove(&class);
                values.push(classes.get(&class).map_or(1.0, |weight| *weight as f32));
            }
        }
        if let Some(given) = self.input(&weight) {
            let mut own = [0.0];
            for (sample, value) in values.iter_mut().enumerate() {
                given.gather_f32(&[sample], &mut own);
                *value *= own[0];
            }
        }
        self.arrays.retain(|(name, _)| *name != weight);
        let count = values.len();
        let data = Data::new(&[count], values);
        self.arrays.extend(data.map(|data| (weight, data)));
        self.weighted = true;
        Ok(unseen.into_iter().collect())
    }

    /// Cuts off this share at the end, as Keras does: what stays are the first `⌊n·(1 − share)⌋`
    /// samples.
    pub(crate) fn split(&self, share: f64) -> Result<(Samples<'_>, Option<Samples<'_>>), NnError> {
        let range = |start, count| {
            let arrays = self.arrays.iter();
            let arrays = arrays.map(|(name, data)| (name.clone(), data.range(start, count)));
            let arrays = arrays.collect();
            Samples { arrays, weighted: self.weighted, prefix: self.prefix }
        };
        let argument = Argument::new("validation_split", &share, Range::BelowOne);
        arguments::check("fit", &[argument])?;
        if share == 0.0 {
            return Ok((range(0, self.len()), None));
        }
        let kept = (self.len() as f64 * (1.0 - share)) as usize;
        if kept == 0 || kept == self.len() {
            let message = format!(
                "fit: a validation_split of {share:?} leaves one part of {} samples empty",
                self.len()
            );
            return Err(NnError::Argument(
                Mistake::new(message).help("give more samples, or validation_data"),
            ));
        }
        Ok((range(0, kept), Some(range(kept, self.len() - kept))))
    }

    pub(crate) fn len(&self) -> usize {
        self.arrays.first().map_or(0, |(_, data)| data.samples())
    }

    pub(crate) fn weighted(&self) -> bool {
        self.weighted
    }

    /// The bytes of all arrays.
    pub(crate) fn bytes(&self) -> usize {
        self.arrays.iter().map(|(_, data)| data.bytes()).sum()
    }

    /// An input alone.
    #[cfg(test)]
    pub(crate) fn of_x(x: impl crate::data::IntoData<'a>) -> Self {
        Self { arrays: vec![("x".to_owned(), x.into_data())], weighted: false, prefix: "" }
    }

    /// Runs a program on these samples.
    pub(crate) fn run(
        &self,
        program: &mut Executable,
        state: &mut State,
        samples: &[usize],
    ) -> Result<(), NnError> {
        let feeds = self.arrays.iter().map(|(name, data)| feed(name, data, samples));
        Ok(program.run_fed(&feeds.collect::<Vec<_>>(), state)?)
    }

    /// Fails if these samples have a number that is not finite.
    pub(crate) fn check_finite(&self, samples: &[usize]) -> Result<(), NnError> {
        let mut names = self.arrays.iter().map(|(name, _)| name);
        let found = names.find_map(|name| Some((name, self.find_non_finite(name, samples)?)));
        let Some((name, (sample, element, value))) = found else { return Ok(()) };
        Err(NnError::Data { input: format!("{}{name}", self.prefix), sample, element, value })
    }

    /// The cause of a result of a program that is not finite on these samples and from this state.
    pub(crate) fn cause(
        &self,
        graph: &Graph,
        state: &State,
        samples: &[usize],
    ) -> Result<Cause, NnError> {
        let parameters = graph.inputs().iter().filter_map(|&id| graph.parameter(id));
        let inputs = parameters.map(|parameter| match parameter.kind {
            ParameterKind::State => Ok(state.get(&parameter.name)?),
            ParameterKind::Data => self.tensor(&parameter.name, &parameter.ty, samples),
        });
        let inputs = inputs.collect::<Result<Vec<_>, NnError>>()?;
        cause(graph, &inputs, |input| self.find_non_finite(input, samples))
    }

    /// The array of an input of the programs.
    pub(crate) fn input(&self, name: &str) -> Option<&Data<'a>> {
        self.arrays.iter().find(|(known, _)| known == name).map(|(_, data)| data)
    }

    /// These samples of an input as a tensor.
    fn tensor(&self, input: &str, ty: &Type, samples: &[usize]) -> Result<Tensor, NnError> {
        brolga_memory::check(ty.bytes()).map_err(RuntimeError::from)?;
        let mut values = match ty.dtype {
            DType::I32 => TensorData::I32(vec![0; ty.shape.elements()]),
            _ => TensorData::F32(vec![0.0; ty.shape.elements()]),
        };
        if let Some(data) = self.input(input) {
            match &mut values {
                TensorData::I32(values) => data.gather_i32(samples, values),
                TensorData::F32(values) => data.gather_f32(samples, values),
                _ => {}
            }
        }
        Ok(Tensor::new(ty.shape.clone(), values).unwrap_or_else(|| Tensor::zeros(ty)))
    }

    /// The first number of an input, in these samples, that is not finite: its sample, its index in
    /// the sample and its value.
    fn find_non_finite(&self, input: &str, samples: &[usize]) -> Option<(usize, usize, f64)> {
        self.input(input)?.find(samples.iter().copied(), |x| !(x as f32).is_finite())
    }
}

/// The arrays of a model's inputs, checked, under the names of the programs' inputs.
fn inputs<'a>(
    built: &Built,
    x: Arrays<'a>,
    prefix: &str,
) -> Result<Vec<(String, Data<'a>)>, NnError> {
    let names: Vec<&str> = built.inputs.iter().map(|port| &*port.name).collect();
    let x = x.assign(&names, (&format!("{prefix}x"), "input"))?;
    let mut arrays: Vec<(String, Data<'a>)> = vec![];
    for (port, x) in built.inputs.iter().zip(x) {
        let program_input = port.program_input("x", &built.inputs);
        let what = format!("{prefix}{program_input}");
        check_input(port, &x, &what)?;
        if !arrays.is_empty() {
            same_length(first(&arrays, prefix), (&what, &x))?;
        }
        arrays.push((program_input, x));
    }
    Ok(arrays)
}

/// The first array, with which the others must agree in length, and its name in messages.
fn first<'s, 'a>(arrays: &'s [(String, Data<'a>)], prefix: &str) -> (String, &'s Data<'a>) {
    let (name, data) = &arrays[0];
    (format!("{prefix}{name}"), data)
}

/// The class of a sample: its number, or the index of the largest element of a vector.
pub(crate) fn class(label: &[f32]) -> i64 {
    match label {
        [number] => *number as i64,
        _ => {
            let greater =
                |best: usize, next: usize| if label[next] > label[best] { next } else { best };
            (0..label.len()).reduce(greater).unwrap_or(0) as i64
        }
    }
}

/// These samples for an input of a program.
fn feed<'a>(input: &'a str, data: &'a Data<'_>, samples: &'a [usize]) -> Feed<'a> {
    Feed { input: input.into(), array: data.array(), rows: samples }
}

fn same_length(first: (String, &Data<'_>), second: (&str, &Data<'_>)) -> Result<(), NnError> {
    if first.1.samples() == second.1.samples() {
        return Ok(());
    }
    Err(NnError::Lengths {
        first: first.0,
        first_length: first.1.samples(),
        second: second.0.to_owned(),
        second_length: second.1.samples(),
    })
}

/// Checks that the samples have the shape that the model takes.
pub(crate) fn check_input(port: &Port, x: &Data<'_>, what: &str) -> Result<(), NnError> {
    x.check_copied(what)?;
    let Port { name: layer, ty, .. } = port;
    let (expected, given) = (ty.shape.to_vec(), x.shape().to_vec());
    if x.sample_shape() == expected && !given.is_empty() {
        return not_empty(x, what);
    }
    let help = if given == expected {
        Some(
            "this is one sample: give it a first axis of extent 1, which counts the samples"
                .to_owned(),
        )
    } else if expected.split_last() == Some((&1, x.sample_shape())) {
        Some("the axis of channels is missing: append one of extent 1, such as x.insert_axis(Axis(3))".to_owned())
    } else if x.sample_len() == ty.shape.elements() && !given.is_empty() {
        Some(
            "the number of elements is the same: reshape x, or add a layer Reshape or Flatten"
                .to_owned(),
        )
    } else {
        None
    };
    let (expected, given) = (expected.into(), given.into());
    Err(NnError::InputShape { layer: layer.clone(), what: what.to_owned(), expected, given, help })
}

fn not_empty(data: &Data<'_>, what: &str) -> Result<(), NnError> {
    if data.shape().iter().product::<usize>() > 0 {
        return Ok(());
    }
    Err(NnError::Empty { what: what.to_owned(), shape: data.shape().to_vec() })
}

/// Checks that the loss depends on the output: the distribution over one class is always the same.
pub(crate) fn check_output(port: &Port, loss: &dyn Loss) -> Result<(), NnError> {
    let Port { name: layer, ty, head } = port;
    let classes = match loss.labels().class_axis(ty)? {
        Some(place) => Some(ty.shape[place]),
        None => ty.shape.last().copied().filter(|_| *head == Head::Softmax),
    };
    if classes != Some(1) {
        return Ok(());
    }
    let loss = snake_case(loss.class_name());
    let message = format!(
        "{loss}: the output of layer `{layer}` has one class, whose probability is always 1: nothing would be trained"
    );
    let help = "for answers of yes or no, use the activation \"sigmoid\" and the loss \"binary_crossentropy\"; \
                otherwise give the last layer a unit for each class";
    Err(Mistake::new(message).help(help).into())
}

/// Checks that the labels have the shape that the loss takes, and that class numbers are in range.
fn check_labels(
    port: &Port,
    objective: &Objective,
    y: &Data<'_>,
    what: &str,
) -> Result<(), NnError> {
    let (labels, output) = (objective.labels(), &port.ty);
    let expected = labels.ty(output)?.shape.to_vec();
    if !same_but_ones(&expected, y.sample_shape()) {
        return Err(NnError::LabelShape {
            loss: objective.loss.as_ref().map_or_else(String::new, |l| snake_case(l.class_name())),
            what: what.to_owned(),
            help: label_help(labels, output, y.sample_shape()),
            given: y.sample_shape().into(),
            expected: expected.into(),
        });
    }
    match (labels, labels.class_axis(output)?) {
        (Labels::Classes { ignored, .. }, Some(place)) => {
            check_classes(port, y, what, output.shape[place], ignored)
        }
        (Labels::Sequences { .. }, _) => check_sequences(port, y, what),
        _ => Ok(()),
    }
}

/// Whether two shapes are the same, but for axes of extent 1 at the end.
fn same_but_ones(a: &[usize], b: &[usize]) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    long.starts_with(short) && long[short.len()..].iter().all(|&extent| extent == 1)
}

fn label_help(labels: Labels, output: &Type, given: &[usize]) -> String {
    match labels {
        Labels::Classes { .. } if *given == *output.shape => {
            "these look like one-hot labels: use the loss \"categorical_crossentropy\", or give class numbers \
             (the index of the 1 in each row)"
                .to_owned()
        }
        Labels::Distributions { .. } if same_but_ones(&output.shape[..output.shape.rank() - 1], given) => {
            "these look like class numbers: use the loss \"sparse_categorical_crossentropy\", or give one-hot \
             labels (to_categorical)"
                .to_owned()
        }
        Labels::Sequences { .. } => "give as many class numbers for each sample, with zeros at the end; \
             `CTC::new().max_length(n)` tells how many"
            .to_owned(),
        Labels::Classes { .. } => "give one class number for each vector of the model's output".to_owned(),
        _ => "labels must have the shape of the model's output".to_owned(),
    }
}

fn check_classes(
    port: &Port,
    y: &Data<'_>,
    what: &str,
    classes: usize,
    ignored: Option<i64>,
) -> Result<(), NnError> {
    let wrong = |label: f64| {
        let known = label >= 0.0 && label < classes as f64 && label.fract() == 0.0;
        !known && ignored.is_none_or(|ignored| label != ignored as f64)
    };
    let Some((row, _, value)) = y.find(0..y.samples(), wrong) else { return Ok(()) };
    let (layer, what) = (port.name.clone(), what.to_owned());
    let help = if value.fract() != 0.0 {
        "class numbers are integers".to_owned()
    } else if value == classes as f64 {
        format!(
            "labels that start at 1 must be lowered by 1; for {} classes the last layer needs {} units",
            classes + 1,
            classes + 1
        )
    } else {
        "correct the labels, let the last layer have more units, or exclude them with ignore_class"
            .to_owned()
    };
    Err(NnError::Label { what, value, row, layer, classes, help })
}

/// Checks that each row is of classes, and that the frames of the output suffice for it: one for
/// each label, and a blank between equal neighbours.
fn check_sequences(port: &Port, y: &Data<'_>, what: &str) -> Result<(), NnError> {
    let [frames, classes] = port.ty.shape[..] else { return Ok(()) };
    check_classes(port, y, what, classes, None)?;
    let mut row = vec![0.0; y.sample_len()];
    for sample in 0..y.samples() {
        y.gather_f32(&[sample], &mut row);
        let labels: Vec<f32> = row.iter().copied().filter(|&label| label != 0.0).collect();
        let repeated = labels.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let needed = labels.len() + repeated;
        if needed > frames {
            let message = format!(
                "ctc: the {} labels of {what}[{sample}] take {needed} frames, the output of layer `{}` has {frames}",
                labels.len(),
                port.name
            );
            let help = "give longer inputs or shorter labels, or let the layers before reduce the steps less; \
                        equal neighbours need a frame between them";
            return Err(Mistake::new(message).help(help).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_extent_1_do_not_matter_at_the_end() {
        assert!(
            same_but_ones(&[], &[1]) && same_but_ones(&[1], &[]) && same_but_ones(&[4, 1], &[4])
        );
        assert!(
            !same_but_ones(&[2], &[])
                && !same_but_ones(&[4], &[5])
                && !same_but_ones(&[1, 4], &[4])
        );
    }
}
