//! Indices of whole numbers in a vocabulary.

use brolga_ir::{DType, Data, Mistake, Tensor, Tracer, Type, Var};

use super::categories::{check_axes, encoded, integers, vector_dtype};
use super::{Base, Layer, WeightSpec, layer};
use crate::preprocessing::{IndexLookup, Mode, host};
use crate::trace::Call;

/// Indices of whole numbers in a vocabulary: a function of arrays, as [`IndexLookup`] tells, and a
/// layer of models.
///
/// As a layer it takes numbers `[batch, ..]`, cuts fractions off, and gives `i32` in the mode
/// `"int"`, otherwise vectors of `f32`; no gradient flows through it. The vocabulary is a part of
/// the program, in which a number is found by bisection.
///
/// A mistake of the layer, besides those of the lookup: a number of the vocabulary that `i32` does
/// not hold, `num_oov_indices` 0, since a program cannot fail on a number, and several of them with
/// `oov_method` `"farmhash"`. [`apply`](IndexLookup::apply) takes all of these.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/categorical/integer_lookup/>
pub type IntegerLookup = IndexLookup<i64>;

layer!(IntegerLookup);
host!(IntegerLookup);

/// What the layer computes with.
struct Table {
    mode: Mode,
    /// The numbers in ascending order, with their indices.
    sorted: Vec<(i32, i32)>,
    /// The numbers by their indices, special ones included.
    tokens: Vec<i32>,
    oov: i32,
    mask: Option<i32>,
    depth: usize,
    weights: Vec<f32>,
}

impl IntegerLookup {
    /// The vocabulary as the layer needs it.
    fn table(&self) -> Result<Table, Mistake> {
        let (mode, vocabulary) = self.ready()?;
        let class = "IntegerLookup";
        let help = "look the numbers up before `fit`: lookup.apply::<i32>(&numbers)?";
        let mistake = |message: &str| Mistake::new(format!("{class}: {message}")).help(help);
        if !self.invert && self.num_oov_indices == 0 {
            return Err(mistake("a program cannot fail on a number that is not in the vocabulary"));
        }
        if !self.invert && self.num_oov_indices > 1 && self.oov_method == "farmhash" {
            return Err(mistake("hashes are computed on the host"));
        }
        let fits = |number: &i64| {
            let message = || mistake(&format!("i32 does not hold {number} of the vocabulary"));
            i32::try_from(*number).map_err(|_| message())
        };
        let special = self.special_tokens(mode);
        let all = special.iter().chain(&vocabulary.tokens);
        let tokens = all.map(fits).collect::<Result<Vec<i32>, _>>()?;
        let numbered = tokens.iter().copied().zip(0..).skip(special.len());
        let mut sorted: Vec<(i32, i32)> = numbered.collect();
        sorted.sort_unstable();
        let depth = match self.max_tokens {
            Some(most) if self.pad_to_max_tokens => most,
            _ => tokens.len(),
        };
        let mut weights = vocabulary.weights.clone();
        weights.resize(depth, 0.0);
        let mask = self.mask_token.as_ref().map(fits).transpose()?;
        let oov = fits(&self.oov_token)?;
        Ok(Table { mode, sorted, tokens, oov, mask, depth, weights })
    }

    /// The index of each number.
    fn indices(&self, table: &Table, x: &Var) -> Var {
        let number = |number: i32| x.constant_like(f64::from(number));
        let count = table.sorted.len();
        let (numbers, order): (Vec<i32>, Vec<i32>) = table.sorted.iter().copied().unzip();
        let (numbers, order) = (vector(x.tracer(), numbers), vector(x.tracer(), order));
        // How many numbers of the vocabulary are less than x, bit by bit from the highest.
        let mut less = number(0);
        let mut step = 1 << count.max(1).ilog2();
        while step > 0 {
            let next = &less + f64::from(step);
            let is_less = numbers.gather(&(&next - 1.0)).lt(x);
            let inside = next.le(&number(count as i32));
            less = inside.logical_and(&is_less).select(&next, &less);
            step /= 2;
        }
        let inside = less.lt(&number(count as i32));
        let known = inside.logical_and(&numbers.gather(&less).eq(x));
        let first = self.first_oov(table.mode) as i32;
        let unknown = if self.num_oov_indices > 1 {
            // Quotients of 32-bit numbers are far enough from whole numbers in f64.
            let buckets = self.num_oov_indices as f64;
            let wide = x.cast(DType::F64);
            let rest = &wide - (&wide / buckets).floor() * buckets;
            rest.cast(DType::I32) + f64::from(first)
        } else {
            number(first)
        };
        let index = known.select(&order.gather(&less), &unknown);
        match table.mask {
            // −1 counts nowhere.
            Some(mask) => {
                let of_mask = if table.mode == Mode::Int { 0 } else { -1 };
                x.eq(&number(mask)).select(&number(of_mask), &index)
            }
            None => index,
        }
    }
}

/// A constant of these numbers.
fn vector(tracer: &Tracer, numbers: Vec<i32>) -> Var {
    let tensor = Tensor::new([numbers.len()], Data::I32(numbers));
    tracer.constant(tensor.expect("as many numbers as the shape has"))
}

impl Layer for IntegerLookup {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let table = self.table()?;
        if table.mode != Mode::Int {
            check_axes("IntegerLookup", inputs)?;
        }
        Ok(vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, input| {
            let table = match self.table() {
                Ok(table) => table,
                Err(mistake) => return call.tracer().fail(mistake),
            };
            let x = integers(&input).cast(DType::I32);
            if self.invert {
                let number = |number: i32| x.constant_like(f64::from(number));
                let count = number(table.tokens.len() as i32);
                let inside = x.ge(&number(0)).logical_and(&x.lt(&count));
                let tokens = vector(x.tracer(), table.tokens).gather(&x);
                return inside.select(&tokens, &number(table.oov));
            }
            let indices = self.indices(&table, &x);
            let dtype = vector_dtype(&input);
            match table.mode {
                Mode::Int => indices,
                Mode::TfIdf => {
                    let weights = Tensor::f32([table.depth], table.weights);
                    let weights = weights.expect("a weight for each element");
                    let weights = call.tracer().constant(weights).cast(dtype);
                    encoded("count", &indices, table.depth, dtype) * weights
                }
                mode => encoded(mode.name(), &indices, table.depth, dtype),
            }
        })
    }
}
