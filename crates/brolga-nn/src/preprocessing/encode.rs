//! Numbers of categories as arrays: the numbers themselves, or vectors for them.

use brolga_ir::Mistake;
use ndarray::ArrayD;

/// The element type of encoded categories: `i64`, `i32` or `f32`.
pub trait Code: Copy + Default {
    /// The name of the type.
    const NAME: &'static str;

    /// A number; none where the type does not hold it.
    fn of_number(number: i64) -> Option<Self>;

    /// A weight, which may be a fraction; none where the type does not hold it.
    fn of_weight(weight: f32) -> Option<Self>;
}

impl Code for i64 {
    const NAME: &'static str = "i64";

    fn of_number(number: i64) -> Option<Self> {
        Some(number)
    }

    fn of_weight(_: f32) -> Option<Self> {
        None
    }
}

impl Code for i32 {
    const NAME: &'static str = "i32";

    fn of_number(number: i64) -> Option<Self> {
        number.try_into().ok()
    }

    fn of_weight(_: f32) -> Option<Self> {
        None
    }
}

impl Code for f32 {
    const NAME: &'static str = "f32";

    fn of_number(number: i64) -> Option<Self> {
        let exact = number.unsigned_abs() <= 1 << f32::MANTISSA_DIGITS;
        exact.then_some(number as f32)
    }

    fn of_weight(weight: f32) -> Option<Self> {
        Some(weight)
    }
}

/// How categories are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Int,
    OneHot,
    MultiHot,
    Count,
    TfIdf,
}

impl Mode {
    /// The mode of this name, if the class has it.
    ///
    /// # Errors
    /// If it has not.
    pub(crate) fn of(class: &str, name: &str, known: &[Mode]) -> Result<Self, Mistake> {
        let mode = match name {
            "int" => Some(Self::Int),
            "one_hot" => Some(Self::OneHot),
            "multi_hot" | "binary" => Some(Self::MultiHot),
            "count" => Some(Self::Count),
            "tf_idf" | "tf-idf" => Some(Self::TfIdf),
            _ => None,
        };
        mode.filter(|mode| known.contains(mode)).ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|mode| mode.name()).collect();
            Mistake::new(format!("{class}: there is no output_mode `{name}`"))
                .help(format!("there are {}", names.join(", ")))
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::OneHot => "one_hot",
            Self::MultiHot => "multi_hot",
            Self::Count => "count",
            Self::TfIdf => "tf_idf",
        }
    }
}

/// Numbers of categories in row-major order; none for one that counts nowhere.
pub(crate) struct Numbers {
    pub(crate) shape: Vec<usize>,
    pub(crate) elements: Vec<Option<i64>>,
}

/// What a class makes of numbers of categories.
pub(crate) struct Encoding<'a> {
    pub(crate) class: &'static str,
    pub(crate) mode: Mode,
    /// The elements of a vector.
    pub(crate) depth: usize,
    /// The weight of each category, in the mode `tf_idf`.
    pub(crate) weights: &'a [f32],
}

impl Encoding<'_> {
    /// The array of these numbers: of the shape of the numbers in the mode `int`; otherwise with
    /// vectors in the place of the numbers (`one_hot`), or of the numbers along the last axis.
    ///
    /// # Errors
    /// If the element type does not hold a number, or the array does not fit into memory.
    pub(crate) fn of<E: Code>(&self, numbers: Numbers) -> Result<ArrayD<E>, Mistake> {
        if self.mode == Mode::TfIdf && E::of_weight(0.5).is_none() {
            let message = format!("{}: tf_idf gives fractions, {} holds none", self.class, E::NAME);
            return Err(Mistake::new(message).help("ask for `f32`: apply::<f32>(..)"));
        }
        let Numbers { mut shape, elements } = numbers;
        let values = if self.mode == Mode::Int {
            elements.into_iter().map(|number| self.number(number.unwrap_or(0))).collect()
        } else {
            match self.mode {
                Mode::OneHot if shape.len() == 1 || shape.last() != Some(&1) => None,
                _ => shape.pop(),
            };
            let rows = shape.iter().product();
            shape.push(self.depth);
            self.vectors(&elements, rows)
        }?;
        Ok(ArrayD::from_shape_vec(shape, values).expect("as many elements as the shape has"))
    }

    fn number<E: Code>(&self, number: i64) -> Result<E, Mistake> {
        E::of_number(number).ok_or_else(|| {
            let message = format!("{}: {} does not hold {number}", self.class, E::NAME);
            Mistake::new(message).help("ask for `i64`: apply::<i64>(..)")
        })
    }

    /// One vector after the other, each for equally many of the numbers.
    fn vectors<E: Code>(&self, numbers: &[Option<i64>], count: usize) -> Result<Vec<E>, Mistake> {
        let elements = count.saturating_mul(self.depth);
        let too_large = |reason: brolga_memory::NotGranted| {
            let message = format!(
                "{}: {count} vectors of {} elements do not fit into memory: {reason}",
                self.class, self.depth
            );
            Mistake::new(message).help("encode fewer samples at a time, or use output_mode \"int\"")
        };
        let mut values = brolga_memory::filled(E::default(), elements).map_err(too_large)?;
        if count == 0 {
            return Ok(values);
        }
        let width = numbers.len() / count;
        let mut counts = vec![0_i64; self.depth];
        for (vector, numbers) in
            values.chunks_mut(self.depth.max(1)).zip(numbers.chunks(width.max(1)))
        {
            counts.fill(0);
            for index in numbers.iter().flatten().filter_map(|&number| usize::try_from(number).ok())
            {
                if let Some(count) = counts.get_mut(index) {
                    *count += 1;
                }
            }
            for (index, (value, &count)) in vector.iter_mut().zip(&counts).enumerate() {
                *value = match self.mode {
                    Mode::TfIdf => {
                        let weight = self.weights.get(index).copied().unwrap_or(0.0);
                        E::of_weight(count as f32 * weight).unwrap_or_default()
                    }
                    Mode::Count => self.number(count)?,
                    _ => self.number(count.min(1))?,
                };
            }
        }
        Ok(values)
    }
}
