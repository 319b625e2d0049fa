//! The layers of a model, as Keras's `model.summary()` prints them.

use std::fmt;

use brolga_ir::Type;

use super::table::{Align, Column, longest_word, write_table};
use crate::error::with_batch;
use crate::network::{Built, BuiltLayer};
use crate::outline::{Outline, Part};

/// The layers of a model, the shapes of what they give, and how many numbers they hold.
///
/// It is displayed as Keras prints it where there is no terminal, in lines of 76 characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The model's name.
    pub name: String,
    /// The layers, without the one that stands for the input.
    pub layers: Vec<SummaryRow>,
    /// The weights that training changes.
    pub trainable: Size,
    /// The weights that it does not change.
    pub non_trainable: Size,
    /// The optimizer's states, once it has been used.
    pub optimizer: Option<Size>,
    /// The length of the table's lines.
    pub line_length: usize,
}

/// A layer in a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryRow {
    /// The name.
    pub name: String,
    /// The class name.
    pub class_name: &'static str,
    /// The shapes of what it gives for a sample and the number of its weights' elements; `None`
    /// while the model is not built.
    pub built: Option<(Vec<Vec<usize>>, usize)>,
    /// What it takes; `None` where layers follow one another.
    pub connected_to: Option<String>,
}

/// A number of elements and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// The number of elements.
    pub params: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// The class of layers that stand for an input; summaries leave them out.
const INPUT: &str = "Input";
/// The longest lines that Keras prints unasked.
pub(crate) const LONGEST_LINE: usize = 88;
/// Keras leaves four columns of a terminal free, and takes 80 for the width of what is no terminal.
pub(crate) const LINE_LENGTH: usize = 80 - 4;
/// Shorter lines have no room for the three columns.
const SHORTEST_LINE: usize = 40;
/// The width of the column of names where numbers are long.
const SHORTEST_NAME: usize = 12;

impl Summary {
    /// The summary of a model that is built and has this outline.
    pub(crate) fn of_built(
        name: &str,
        outline: &Outline,
        built: &Built,
        optimizer: Option<Size>,
    ) -> Self {
        let of = |trainable: bool| {
            let weights = built.learned().filter(|weight| weight.trainable == trainable);
            weights.map(|weight| Size::of(&weight.ty)).sum()
        };
        let is_chain = outline.is_chain();
        let row = |(part, own): (&Part, &[BuiltLayer])| SummaryRow {
            name: part.name.clone(),
            class_name: part.class_name,
            built: Some((
                part.output_types(own).iter().map(|ty| ty.shape.to_vec()).collect(),
                own.iter().map(BuiltLayer::params).sum(),
            )),
            connected_to: (!is_chain).then(|| outline.connected_to(part)),
        };
        let mut layers: Vec<SummaryRow> = outline.with_layers(&built.layers).map(row).collect();
        layers.retain(|layer| layer.class_name != INPUT);
        Self {
            name: name.to_owned(),
            layers,
            trainable: of(true),
            non_trainable: of(false),
            optimizer,
            line_length: LINE_LENGTH,
        }
    }

    /// The summary of a model that is not built, from the names and classes of its layers.
    pub(crate) fn of_unbuilt(name: &str, layers: Vec<(String, &'static str)>) -> Self {
        let row =
            |(name, class_name)| SummaryRow { name, class_name, built: None, connected_to: None };
        Self {
            name: name.to_owned(),
            layers: layers.into_iter().map(row).collect(),
            trainable: Size::default(),
            non_trainable: Size::default(),
            optimizer: None,
            line_length: LINE_LENGTH,
        }
    }

    /// The same with lines of this length, at least 40, and longer where numbers need it.
    #[must_use]
    pub fn line_length(mut self, characters: usize) -> Self {
        self.line_length = characters;
        self
    }

    /// All numbers together, those of the optimizer included.
    pub fn total(&self) -> Size {
        [self.trainable, self.non_trainable].into_iter().chain(self.optimizer).sum()
    }

    /// Keras's columns end at these shares of the line; rich then takes 3 characters for frame and
    /// spaces off each, and one more off the last but one.
    ///
    /// Numbers are never cut: what their columns need beyond that is taken from the names of the
    /// layers, and when these have no more to give, lines become longer.
    fn columns<const N: usize>(
        &self,
        rows: &[[String; N]],
        columns: [(&'static str, Align, f64); N],
    ) -> [Column; N] {
        let length = self.line_length.max(SHORTEST_LINE);
        let ends = columns.map(|(_, _, share)| (share * length as f64) as usize);
        let needed = |column: usize| longest_word(rows.iter().map(|row| row[column].as_str()));
        let width = |column: usize| {
            let start = if column == 0 { 0 } else { ends[column - 1] };
            let extra = usize::from(column + 2 == N);
            (ends[column] - start).saturating_sub(3 + extra)
        };
        // The shapes and numbers of weights; what a layer is connected to gives way as names do.
        let mut widths: [usize; N] = std::array::from_fn(|column| match column {
            1 | 2 => needed(column).max(width(column)),
            _ => width(column),
        });
        let others: usize = widths[1..].iter().sum();
        widths[0] = (length - 3 * N - 1).saturating_sub(others).max(SHORTEST_NAME);
        std::array::from_fn(|column| {
            let (title, align, _) = columns[column];
            Column { title, align, width: widths[column] }
        })
    }

    fn write_rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = (Align::Left, Align::Right);
        let rows: Vec<[String; 3]> = self.layers.iter().map(SummaryRow::cells).collect();
        let (name, shape, params) = ("Layer (type)", "Output Shape", "Param #");
        if self.layers.iter().all(|layer| layer.connected_to.is_none()) {
            let columns = [(name, left, 0.45), (shape, left, 0.8), (params, right, 1.0)];
            return write_table(f, &self.columns(&rows, columns), &rows);
        }
        let connected = self.layers.iter().map(|l| l.connected_to.clone().unwrap_or_default());
        let rows: Vec<[String; 4]> =
            rows.into_iter().zip(connected).map(|([a, b, c], d)| [a, b, c, d]).collect();
        let columns = [
            (name, left, 0.3),
            (shape, left, 0.56),
            (params, right, 0.74),
            ("Connected to", left, 1.0),
        ];
        write_table(f, &self.columns(&rows, columns), &rows)
    }
}

impl SummaryRow {
    fn cells(&self) -> [String; 3] {
        let layer = format!("{} ({})", self.name, self.class_name);
        match &self.built {
            Some((shapes, params)) => {
                let shapes: Vec<_> = shapes.iter().map(|shape| with_batch(shape)).collect();
                let shapes = match &shapes[..] {
                    [shape] => shape.clone(),
                    several => format!("[{}]", several.join(", ")),
                };
                [layer, shapes, grouped(*params)]
            }
            None => [layer, "?".to_owned(), "0 (unbuilt)".to_owned()],
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Model: \"{}\"", self.name)?;
        self.write_rows(f)?;
        writeln!(f, " Total params: {}", self.total())?;
        writeln!(f, " Trainable params: {}", self.trainable)?;
        writeln!(f, " Non-trainable params: {}", self.non_trainable)?;
        self.optimizer.map_or(Ok(()), |size| writeln!(f, " Optimizer params: {size}"))
    }
}

impl Size {
    /// The size of a tensor of this type.
    pub fn of(ty: &Type) -> Self {
        Self { params: ty.shape.elements(), bytes: ty.bytes() }
    }
}

impl std::iter::Sum for Size {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::default(), |a, b| Self {
            params: a.params + b.params,
            bytes: a.bytes + b.bytes,
        })
    }
}

/// `225,034 (879.04 KB)`
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut amount, mut unit) = (self.bytes as f64, "B");
        for next in ["KB", "MB", "GB", "TB", "PB"] {
            if amount < 1024.0 {
                break;
            }
            (amount, unit) = (amount / 1024.0, next);
        }
        write!(f, "{} ({amount:.2} {unit})", grouped(self.params))
    }
}

/// The number with a comma before each group of three digits: `225,034`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, class_name: &'static str, shape: &[usize], params: usize) -> SummaryRow {
        SummaryRow {
            name: name.to_owned(),
            class_name,
            built: Some((vec![shape.to_vec()], params)),
            connected_to: None,
        }
    }

    fn params(params: usize) -> Size {
        Size { params, bytes: 4 * params }
    }

    fn convolutional() -> Summary {
        Summary {
            name: "sequential".to_owned(),
            layers: vec![
                row("conv2d", "Conv2D", &[26, 26, 32], 320),
                row("max_pooling2d", "MaxPooling2D", &[13, 13, 32], 0),
                row("conv2d_1", "Conv2D", &[11, 11, 64], 18_496),
                row("max_pooling2d_1", "MaxPooling2D", &[5, 5, 64], 0),
                row("flatten", "Flatten", &[1600], 0),
                row("dropout", "Dropout", &[1600], 0),
                row("dense", "Dense", &[10], 16_010),
            ],
            trainable: params(34_826),
            non_trainable: params(0),
            optimizer: Some(params(69_654)),
            line_length: LINE_LENGTH,
        }
    }

    /// Keras 3.15 prints these characters for this model after a training with Adam.
    #[test]
    fn a_summary_is_what_keras_prints() {
        insta::assert_snapshot!(convolutional(), @r#"
        Model: "sequential"
        ┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
        ┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
        ┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
        │ conv2d (Conv2D)                 │ (None, 26, 26, 32)     │           320 │
        ├─────────────────────────────────┼────────────────────────┼───────────────┤
        │ max_pooling2d (MaxPooling2D)    │ (None, 13, 13, 32)     │             0 │
        ├─────────────────────────────────┼────────────────────────┼───────────────┤
        │ conv2d_1 (Conv2D)               │ (None, 11, 11, 64)     │        18,496 │
        ├─────────────────────────────────┼────────────────────────┼───────────────┤
        │ max_pooling2d_1 (MaxPooling2D)  │ (None, 5, 5, 64)       │             0 │
        ├─────────────────────────────────┼────────────────────────┼───────────────┤
        │ flatten (Flatten)               │ (None, 1600)           │             0 │
        ├─────────────────────────────────┼────────────────────────┼───────────────┤
        │ dropout (Dropout)               │ (None, 1600)           │             0 │
        ├─────────────────────────────────┼────────────────────────┼───────────────┤
        │ dense (Dense)                   │ (None, 10)             │        16,010 │
        └─────────────────────────────────┴────────────────────────┴───────────────┘
         Total params: 104,480 (408.12 KB)
         Trainable params: 34,826 (136.04 KB)
         Non-trainable params: 0 (0.00 B)
         Optimizer params: 69,654 (272.09 KB)
        "#);
    }

    #[test]
    fn a_long_name_is_cut_and_a_model_may_be_unbuilt() {
        let layers = vec![
            ("a_very_long_name_of_a_layer_that_is_wrapped_somehow_in_the_table", "Dense"),
            ("dense_1", "Dense"),
        ];
        let layers = layers.into_iter().map(|(name, class)| (name.to_owned(), class)).collect();
        let summary = Summary::of_unbuilt("sequential_1", layers);
        insta::assert_snapshot!(summary, @r#"
        Model: "sequential_1"
        ┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
        ┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
        ┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
        │ a_very_long_name_of_a_layer_th… │ ?                      │   0 (unbuilt) │
        │ (Dense)                         │                        │               │
        ├─────────────────────────────────┼────────────────────────┼───────────────┤
        │ dense_1 (Dense)                 │ ?                      │   0 (unbuilt) │
        └─────────────────────────────────┴────────────────────────┴───────────────┘
         Total params: 0 (0.00 B)
         Trainable params: 0 (0.00 B)
         Non-trainable params: 0 (0.00 B)
        "#);
    }

    #[test]
    fn lines_have_the_length_that_was_asked_for() {
        for length in [40, 76, 77, 88, 100, 131] {
            let text = convolutional().line_length(length).to_string();
            let table = text.lines().filter(|line| !line.contains(": "));
            assert!(table.map(|line| line.chars().count()).all(|count| count == length));
        }
        let text = convolutional().line_length(LONGEST_LINE).to_string();
        assert_eq!(
            text.lines().nth(2),
            Some(
                "┃ Layer (type)                         ┃ Output Shape                ┃         Param # ┃"
            )
        );
        assert_eq!(
            convolutional().line_length(0).to_string().lines().nth(1).map(|l| l.chars().count()),
            Some(40)
        );
    }

    /// Names give way, then lines become longer.
    #[test]
    fn numbers_are_never_cut() {
        let mut summary = convolutional();
        summary.layers = vec![
            row("embedding_of_all_words", "Dense", &[200_000], 40_000_200_000),
            row("dense", "Dense", &[usize::MAX, 1], usize::MAX),
        ];
        (summary.trainable, summary.optimizer) = (params(40_000_200_000), None);
        insta::assert_snapshot!(summary, @r#"
        Model: "sequential"
        ┏━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
        ┃ Layer (type)       ┃ Output Shape           ┃                    Param # ┃
        ┡━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
        │ embedding_of_all_… │ (None, 200000)         │             40,000,200,000 │
        │ (Dense)            │                        │                            │
        ├────────────────────┼────────────────────────┼────────────────────────────┤
        │ dense (Dense)      │ (None,                 │ 18,446,744,073,709,551,615 │
        │                    │ 18446744073709551615,  │                            │
        │                    │ 1)                     │                            │
        └────────────────────┴────────────────────────┴────────────────────────────┘
         Total params: 40,000,200,000 (149.01 GB)
         Trainable params: 40,000,200,000 (149.01 GB)
         Non-trainable params: 0 (0.00 B)
        "#);
        insta::assert_snapshot!(summary.line_length(40), @r#"
        Model: "sequential"
        ┏━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
        ┃ Layer (type) ┃ Output Shape          ┃                    Param # ┃
        ┡━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
        │ embedding_o… │ (None, 200000)        │             40,000,200,000 │
        │ (Dense)      │                       │                            │
        ├──────────────┼───────────────────────┼────────────────────────────┤
        │ dense        │ (None,                │ 18,446,744,073,709,551,615 │
        │ (Dense)      │ 18446744073709551615, │                            │
        │              │ 1)                    │                            │
        └──────────────┴───────────────────────┴────────────────────────────┘
         Total params: 40,000,200,000 (149.01 GB)
         Trainable params: 40,000,200,000 (149.01 GB)
         Non-trainable params: 0 (0.00 B)
        "#);
        let mut small = convolutional().line_length(40);
        small.layers.truncate(3);
        insta::assert_snapshot!(small, @r#"
        Model: "sequential"
        ┏━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━┓
        ┃ Layer (type)   ┃ Output     ┃  Param ┃
        ┃                ┃ Shape      ┃      # ┃
        ┡━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━┩
        │ conv2d         │ (None, 26, │    320 │
        │ (Conv2D)       │ 26, 32)    │        │
        ├────────────────┼────────────┼────────┤
        │ max_pooling2d  │ (None, 13, │      0 │
        │ (MaxPooling2D) │ 13, 32)    │        │
        ├────────────────┼────────────┼────────┤
        │ conv2d_1       │ (None, 11, │ 18,496 │
        │ (Conv2D)       │ 11, 64)    │        │
        └────────────────┴────────────┴────────┘
         Total params: 104,480 (408.12 KB)
         Trainable params: 34,826 (136.04 KB)
         Non-trainable params: 0 (0.00 B)
         Optimizer params: 69,654 (272.09 KB)
        "#);
    }

    #[test]
    fn sizes_have_the_unit_that_keras_chooses() {
        let size = |bytes| Size { params: 1_234_567, bytes }.to_string();
        assert_eq!(size(1023), "1,234,567 (1023.00 B)");
        assert_eq!(size(1024), "1,234,567 (1.00 KB)");
        assert_eq!(size(14_814_832), "1,234,567 (14.13 MB)");
        assert_eq!([grouped(0), grouped(999), grouped(1000)], ["0", "999", "1,000"]);
    }
}
