//! Attention: its values against loops, generation with a cache, positions, and a transformer.

use std::error::Error;

use brolga_nn::arrays;
use brolga_nn::model::{Functional, Network, Shared, Symbolic};
use brolga_nn::prelude::*;
use brolga_runtime::Backend;
use ndarray::{Array2, Array3, ArrayD, IxDyn, s};

type Outcome = Result<(), Box<dyn Error>>;

fn quiet() -> Predict<'static> {
    Predict::new().verbose(false)
}

/// Numbers between −1 and 1 without an order.
fn numbers(shape: &[usize], seed: usize) -> ArrayD<f32> {
    let mut state = seed as u32 + 7;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    })
}

/// The weights of a model, of which none are 0.
fn set_weights<N: Network>(model: &mut brolga_nn::model::Model<N>) -> Result<(), NnError> {
    let weights = model.get_weights()?;
    let values = weights.iter().zip(0..).map(|(w, seed)| numbers(w.shape(), seed));
    model.set_weights(&values.collect::<Vec<_>>())
}

/// Attention of one head after projection, by loops: rows of shares, and the outputs.
fn attention(
    [q, k, v]: [&Array2<f64>; 3],
    counts: impl Fn(usize, usize) -> bool,
) -> (Array2<f64>, Array2<f64>) {
    let (queries, keys) = (q.nrows(), k.nrows());
    let mut shares = Array2::zeros((queries, keys));
    for t in 0..queries {
        let score = |s: usize| q.row(t).dot(&k.row(s)) / (q.ncols() as f64).sqrt();
        let all: Vec<usize> = (0..keys).filter(|&s| counts(t, s)).collect();
        let most = all.iter().map(|&s| score(s)).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = all.iter().map(|&s| (score(s) - most).exp()).sum();
        for s in all {
            shares[[t, s]] = (score(s) - most).exp() / sum;
        }
    }
    let outputs = shares.dot(v);
    (shares, outputs)
}

/// What the weights of a `MultiHeadAttention` or `GroupQueryAttention` give of one sample by loops.
fn by_loops(
    weights: &[ArrayD<f32>],
    [query, value]: [&ArrayD<f32>; 2],
    counts: impl Fn(usize, usize) -> bool,
) -> (Vec<Array2<f64>>, Array2<f64>) {
    let wide = |x: &ArrayD<f32>| x.mapv(f64::from);
    let projected = |x: &ArrayD<f32>, at: usize, head: usize| -> Array2<f64> {
        let kernel = wide(&weights[at]).into_dimensionality::<ndarray::Ix3>().expect("a kernel");
        let bias = wide(&weights[at + 1]).into_dimensionality::<ndarray::Ix2>().expect("a bias");
        let x = wide(x).into_dimensionality::<ndarray::Ix2>().expect("a sequence");
        x.dot(&kernel.slice(s![.., head, ..])) + bias.row(head)
    };
    let (heads, groups) = (weights[0].shape()[1], weights[2].shape()[1]);
    let kernel = wide(&weights[6]).into_dimensionality::<ndarray::Ix3>().expect("a kernel");
    let mut y = Array2::zeros((query.shape()[0], kernel.shape()[2]));
    let mut shares = vec![];
    for head in 0..heads {
        let group = head * groups / heads;
        let q = projected(query, 0, head);
        let (k, v) = (projected(value, 2, group), projected(value, 4, group));
        let (of_head, outputs) = attention([&q, &k, &v], &counts);
        y = y + outputs.dot(&kernel.slice(s![head, .., ..]));
        shares.push(of_head);
    }
    let bias = wide(&weights[7]).into_dimensionality::<ndarray::Ix1>().expect("a bias");
    (shares, y + bias)
}

#[track_caller]
fn near(given: impl IntoIterator<Item = f32>, expected: impl IntoIterator<Item = f64>) {
    for (index, (given, expected)) in given.into_iter().zip(expected).enumerate() {
        let off = (f64::from(given) - expected).abs();
        assert!(off <= 1e-5, "element {index}: {given}, not {expected}");
    }
}

#[test]
fn heads_attend_to_the_keys_that_count() -> Outcome {
    let (query, value) = (numbers(&[1, 5, 6], 1), numbers(&[1, 7, 6], 2));
    let mask = Array2::from_shape_vec((1, 7), vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0_f32])?;
    let [q, v] = [5, 7].map(|steps| Input::new([steps, 6]).tensor());
    let m = Input::new([7]).tensor();
    let layers: [Shared; 3] = [
        MultiHeadAttention::new(3, 4).shared(),
        GroupQueryAttention::new(4, 6, 2).shared(),
        GroupQueryAttention::new(4, 2, 2).sliding_window(3).shared(),
    ];
    for (layer, width) in layers.into_iter().zip([usize::MAX, usize::MAX, 3]) {
        let arguments = CallArguments::of([&q, &v]).value_mask(&m).use_causal_mask(true);
        let plain = layer.on(arguments.clone());
        let [y, scores] = layer.on_all(arguments.return_attention_scores(true));
        let mut model = Functional::new([&q, &v, &m], [&plain, &y, &scores])?;
        set_weights(&mut model)?;
        let given = model.predict_all_with(arrays![&query, &value, &mask], quiet())?;
        let counts = |t: usize, s: usize| s <= t && t - s < width && mask[[0, s]] != 0.0;
        let sample = |x: &ArrayD<f32>| x.slice(s![0, .., ..]).to_owned().into_dyn();
        let sample = [&sample(&query), &sample(&value)];
        let (shares, y) = by_loops(&model.get_weights()?, sample, counts);
        near(given[0].iter().copied(), y.iter().copied());
        near(given[1].iter().copied(), y.iter().copied());
        near(given[2].iter().copied(), shares.iter().flatten().copied());
    }
    Ok(())
}

/// Attention along one of several axes is that of each slice; along all of them that of one long
/// sequence.
#[test]
fn queries_attend_along_the_axes_that_are_named() -> Outcome {
    let (rows, steps, keys) = (3, 4, 5);
    let q = Input::new([rows, steps, 6]).tensor();
    let v = Input::new([rows, keys, 6]).tensor();
    let m = Input::new([rows, keys]).tensor();
    let with_mask = || CallArguments::of([&q, &v]).value_mask(&m);
    let heads = || MultiHeadAttention::new(2, 3);
    let along = heads().attention_axes(-2).shared();
    let [y, scores] = along.on_all(with_mask().return_attention_scores(true));
    let all = heads().on(with_mask());
    let mut model = Functional::new([&q, &v, &m], [&y, &scores, &all])?;
    set_weights(&mut model)?;
    let (query, value) = (numbers(&[1, rows, steps, 6], 1), numbers(&[1, rows, keys, 6], 2));
    let mask = Array3::from_shape_fn((1, rows, keys), |(_, r, s)| {
        f32::from(u8::from(!(r + s).is_multiple_of(3)))
    });
    let given = model.predict_all_with(arrays![&query, &value, &mask], quiet())?;
    let weights = model.get_weights()?;
    for row in 0..rows {
        let sample = |x: &ArrayD<f32>| x.slice(s![0, row, .., ..]).to_owned().into_dyn();
        let counts = |_: usize, key: usize| mask[[0, row, key]] != 0.0;
        let (shares, y) = by_loops(&weights[..8], [&sample(&query), &sample(&value)], counts);
        near(given[0].slice(s![0, row, .., ..]).iter().copied(), y.iter().copied());
        let expected: Vec<f64> = shares.iter().flatten().copied().collect();
        near(given[1].slice(s![0, row, .., .., ..]).iter().copied(), expected);
    }
    let flat = |x: &ArrayD<f32>, steps: usize| {
        x.to_shape(IxDyn(&[rows * steps, 6])).expect("as many elements").to_owned()
    };
    let counts = |_: usize, key: usize| mask[[0, key / keys, key % keys]] != 0.0;
    let (_, y) = by_loops(&weights[8..], [&flat(&query, steps), &flat(&value, keys)], counts);
    near(given[2].iter().copied(), y.iter().copied());
    Ok(())
}

/// Scores of scalar products, without projections: masked values get nothing, masked queries give
/// nothing.
#[test]
fn attention_without_heads_knows_masks() -> Outcome {
    let [q, v] = [3, 4].map(|steps| Input::new([steps, 2]).tensor());
    let [of_q, of_v] = [3, 4].map(|steps| Input::new([steps]).tensor());
    let arguments = CallArguments::of([&q, &v]).mask([&of_q, &of_v]);
    let y = Attention::new().on(arguments.clone());
    let [late, scores] =
        Attention::new().on_all(arguments.use_causal_mask(true).return_attention_scores(true));
    let mut model = Functional::new([&q, &v, &of_q, &of_v], [&y, &late, &scores])?;
    let (query, value) = (numbers(&[1, 3, 2], 4), numbers(&[1, 4, 2], 5));
    let queries = Array2::from_shape_vec((1, 3), vec![1.0_f32, 0.0, 1.0])?;
    let values = Array2::from_shape_vec((1, 4), vec![1.0_f32, 1.0, 0.0, 1.0])?;
    let given = model.predict_all_with(arrays![&query, &value, &queries, &values], quiet())?;
    let sample = |x: &ArrayD<f32>| {
        let wide = x.slice(s![0, .., ..]).mapv(f64::from);
        wide.into_dimensionality::<ndarray::Ix2>().expect("a sequence")
    };
    // Scores are not scaled.
    let (q, v) = (sample(&query) * 2_f64.sqrt(), sample(&value));
    for (output, is_causal) in [(0, false), (1, true)] {
        let counts = |t: usize, s: usize| values[[0, s]] != 0.0 && (!is_causal || s <= t);
        let (shares, mut y) = attention([&q, &v, &v], counts);
        y.row_mut(1).fill(0.0);
        near(given[output].iter().copied(), y.iter().copied());
        if is_causal {
            near(given[2].iter().copied(), shares.iter().copied());
        }
    }
    Ok(())
}

/// A query that may attend to nothing: as in Keras, to all alike, or to nothing if shares are asked
/// for.
#[test]
fn a_query_without_keys_is_as_in_keras() -> Outcome {
    let x = Input::new([2, 2]).tensor();
    let m = Input::new([2]).tensor();
    let layer = MultiHeadAttention::new(1, 2).use_bias(false).shared();
    let arguments = CallArguments::of([&x, &x]).value_mask(&m);
    let y = layer.on(arguments.clone());
    let [zeros, scores] = layer.on_all(arguments.return_attention_scores(true));
    let mut model = Functional::new([&x, &m], [&y, &zeros, &scores])?;
    set_weights(&mut model)?;
    let data = numbers(&[1, 2, 2], 3);
    let none = Array2::<f32>::zeros((1, 2));
    let given = model.predict_all_with(arrays![&data, &none], quiet())?;
    assert_eq!(given[0].slice(s![0, 0, ..]), given[0].slice(s![0, 1, ..]));
    assert!(given[0].iter().any(|&x| x != 0.0));
    assert!(given[1..].iter().flatten().all(|&x| x == 0.0));
    Ok(())
}

#[test]
fn the_mask_of_an_embedding_hides_keys() -> Outcome {
    let ids = Input::new([5]).dtype("int32").tensor();
    let x = Embedding::new(9, 4).mask_zero(true).on(&ids);
    let y = MultiHeadAttention::new(2, 3).on([&x, &x]);
    let pooled = GlobalAveragePooling1D::new().on(&y);
    let mut model = Functional::new(&ids, [&y, &pooled])?;
    set_weights(&mut model)?;
    let of = |model: &mut Functional, tokens: [i32; 5]| {
        let tokens = Array2::from_shape_vec((1, 5), tokens.to_vec()).expect("five tokens");
        model.predict_all_with(&tokens, quiet())
    };
    let [short, long] = [[3, 4, 0, 0, 0], [3, 4, 5, 6, 7]].map(|tokens| of(&mut model, tokens));
    let (short, long) = (short?, long?);
    assert_ne!(short[0].slice(s![0, ..2, ..]), long[0].slice(s![0, ..2, ..]));
    // The average is over the two queries that count.
    let mean = short[0].slice(s![0, ..2, ..]).mean_axis(ndarray::Axis(0)).ok_or("two rows")?;
    near(short[1].iter().copied(), mean.iter().map(|&x| f64::from(x)));
    Ok(())
}

/// The layers of a language model of 12 positions, called for a whole sequence or with a cache.
struct Decoder {
    words: Shared,
    attention: [Shared; 2],
    norms: [Shared; 2],
    dense: [Shared; 2],
    rotary: Option<Shared>,
}

const LENGTH: usize = 12;
const WIDTH: usize = 8;

impl Decoder {
    fn new(attention: impl Fn() -> Shared, is_rotary: bool) -> Self {
        let words = match is_rotary {
            true => ReversibleEmbedding::new(11, WIDTH).name("words").shared(),
            false => TokenAndPositionEmbedding::new(11, LENGTH, WIDTH).name("words").shared(),
        };
        Self {
            words,
            attention: [(); 2].map(|()| attention()),
            norms: [0, 1].map(|i| LayerNormalization::new().name(format!("norm{i}")).shared()),
            dense: [0, 1]
                .map(|i| Dense::new(WIDTH).activation("gelu").name(format!("dense{i}")).shared()),
            rotary: is_rotary
                .then(|| RotaryEmbedding::new().sequence_length(LENGTH).name("rotary").shared()),
        }
    }

    /// Scores of the next token for each one, and the caches.
    fn on(&self, tokens: &Symbolic, place: Option<(&Symbolic, &[Symbolic; 2])>) -> Vec<Symbolic> {
        let at = |arguments: CallArguments| match place {
            Some((index, _)) => arguments.tensor("start_index", index),
            None => arguments,
        };
        let mut x = match &self.rotary {
            Some(rotary) => rotary.on(at(CallArguments::of(self.words.on(tokens)))),
            None => self.words.on(at(CallArguments::of(tokens))),
        };
        let mut caches = vec![];
        for block in 0..2 {
            let h = self.norms[block].on(&x);
            let causal = CallArguments::of([&h, &h]).use_causal_mask(true);
            let y = match place {
                None => self.attention[block].on(causal),
                Some((index, old)) => {
                    let [y, cache] = self.attention[block].on_all(causal.cache(&old[block], index));
                    caches.push(cache);
                    y
                }
            };
            x = Add::new().on([&x, &self.dense[block].on(&y)]);
        }
        let scores = self.words.on(CallArguments::of(&x).reverse(true));
        std::iter::once(scores).chain(caches).collect()
    }

    /// The model of so many tokens at a time.
    fn step(&self, tokens: usize, heads: usize) -> Result<Functional, NnError> {
        let new = Input::new([tokens]).dtype("int32").tensor();
        let index = Input::new([1]).dtype("int32").tensor();
        let old = [(); 2].map(|()| Input::new([2, LENGTH, heads, 4]).tensor());
        let outputs = self.on(&new, Some((&index, &old)));
        Functional::new([&new, &index, &old[0], &old[1]], outputs)
    }
}

/// The scores of a sequence, given to a model in pieces of so many tokens.
fn in_pieces(
    model: &mut Functional,
    tokens: &Array2<i32>,
    piece: usize,
    heads: usize,
) -> Result<ArrayD<f32>, NnError> {
    let samples = tokens.nrows();
    let mut caches = [(); 2].map(|()| ArrayD::zeros(IxDyn(&[samples, 2, LENGTH, heads, 4])));
    let mut rows = vec![];
    for start in (0..tokens.ncols()).step_by(piece) {
        let new = tokens.slice(s![.., start..start + piece]).to_owned();
        let index = Array2::from_elem((samples, 1), start as i32);
        let given = arrays![&new, &index, &caches[0], &caches[1]];
        let mut outputs = model.predict_all_with(given, quiet())?.into_iter();
        rows.extend(outputs.next());
        caches = [(); 2].map(|()| outputs.next().unwrap_or_default());
    }
    let views: Vec<_> = rows.iter().map(|row| row.view()).collect();
    Ok(ndarray::concatenate(ndarray::Axis(1), &views).expect("pieces of one sequence"))
}

#[test]
fn tokens_one_at_a_time_give_the_bits_of_the_whole_sequence() -> Outcome {
    let tokens = Array2::from_shape_fn((3, LENGTH), |(s, t)| (5 * s + 3 * t + s * t) as i32 % 11);
    let multi = || MultiHeadAttention::new(4, 4).shared();
    let group = || GroupQueryAttention::new(4, 4, 2).sliding_window(5).shared();
    for (attention, heads) in [(&multi as &dyn Fn() -> Shared, 4), (&group, 2)] {
        for is_rotary in [false, true] {
            let decoder = Decoder::new(attention, is_rotary);
            let whole = Input::new([LENGTH]).dtype("int32").tensor();
            let mut model = Functional::new(&whole, decoder.on(&whole, None))?;
            set_weights(&mut model)?;
            let expected = model.predict_with(&tokens, quiet())?;
            let weights = model.get_weights()?;
            for piece in [1, 3] {
                let mut model = decoder.step(piece, heads)?;
                model.set_weights(&weights)?;
                let given = in_pieces(&mut model, &tokens, piece, heads)?;
                let bits = |x: &ArrayD<f32>| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&given), bits(&expected), "{heads} heads, pieces of {piece}");
            }
            // A shorter sequence has the same beginning.
            let short = Input::new([5]).dtype("int32").tensor();
            let mut model = Functional::new(&short, decoder.on(&short, None))?;
            model.set_weights(&weights)?;
            let given = model.predict_with(&tokens.slice(s![.., ..5]).to_owned(), quiet())?;
            assert_eq!(given, expected.slice(s![.., ..5, ..]).to_owned().into_dyn());
        }
    }
    Ok(())
}

/// A classifier of sequences: whether the largest token is in the first half.
fn transformer(backend: Backend) -> Result<Functional, NnError> {
    let ids = Input::new([8]).dtype("int32").tensor();
    let x = TokenAndPositionEmbedding::new(10, 8, 16).mask_zero(true).on(&ids);
    let h = MultiHeadAttention::new(2, 8).dropout(0.1).on([&x, &x]);
    let x = LayerNormalization::new().on(Add::new().on([&x, &h]));
    let h = Dense::new(16).on(Dense::new(32).activation("gelu").on(&x));
    let x = LayerNormalization::new().on(Add::new().on([&x, &h]));
    let pooled = GlobalAveragePooling1D::new().on(&x);
    let y = Dense::new(2).activation("softmax").on(&pooled);
    let mut model = Functional::new(&ids, &y)?;
    let compile = Compile::new().optimizer(Adam::new(0.01)).metrics(["accuracy"]).backend(backend);
    model.compile(compile.loss("sparse_categorical_crossentropy"))?;
    Ok(model)
}

fn sequences(count: usize) -> (Array2<i32>, ndarray::Array1<u8>) {
    let drawn = numbers(&[count, 8], 5);
    let x = Array2::from_shape_fn((count, 8), |(s, t)| {
        let steps = 4 + s % 5;
        if t < steps { 1 + ((drawn[[s, t]] + 1.0) * 4.49) as i32 } else { 0 }
    });
    let y = x.rows().into_iter().map(|row| {
        let most = (0..8).max_by_key(|&t| (row[t], 8 - t)).unwrap_or(0);
        u8::from(most >= 2)
    });
    (x.clone(), y.collect())
}

#[test]
fn a_transformer_trains() -> Outcome {
    let (x, y) = sequences(256);
    let mut model = transformer(Backend::Native)?;
    let history = model.fit(&x, &y, Fit::new().epochs(15).batch_size(32).verbose(false))?;
    assert!(history.last("accuracy").unwrap_or(0.0) > 0.9, "{:?}", history.get("accuracy"));
    assert_eq!(model.warnings(), []);
    Ok(())
}

#[test]
fn machine_code_trains_a_transformer_to_the_interpreters_bits() -> Outcome {
    let (x, y) = sequences(12);
    let trained = |backend| -> Result<Vec<ArrayD<f32>>, NnError> {
        let mut model = transformer(backend)?;
        model.fit(&x, &y, Fit::new().epochs(2).batch_size(5).verbose(false))?;
        model.get_weights()
    };
    assert_eq!(trained(Backend::Native)?, trained(Backend::Interpreter)?);
    Ok(())
}

/// What Keras writes of attention with arguments and masks is read again.
#[test]
fn arguments_and_masks_survive_a_round_trip() -> Outcome {
    let ids = Input::new([6]).dtype("int32").tensor();
    let allowed = Input::new([6, 6]).tensor();
    let x = Embedding::new(9, 4).mask_zero(true).on(&ids);
    let arguments = CallArguments::of([&x, &x]).use_causal_mask(true).attention_mask(&allowed);
    let [y, scores] = MultiHeadAttention::new(2, 3).on_all(arguments.return_attention_scores(true));
    let frozen = Dropout::new(0.5).on(CallArguments::of(&y).training(false));
    let z = Attention::new().on(CallArguments::of([&frozen, &x]).use_causal_mask(true));
    let mut model = Functional::new([&ids, &allowed], [&z, &scores])?;
    set_weights(&mut model)?;
    let mut again = Functional::from_json(&model.to_json()?)?;
    again.set_weights(&model.get_weights()?)?;
    assert_eq!(again.to_json()?, model.to_json()?);
    let tokens = Array2::from_shape_fn((2, 6), |(s, t)| ((s + 2 * t) % 5) as i32);
    let mask = Array3::from_shape_fn((2, 6, 6), |(s, i, j)| {
        f32::from(u8::from(!(s + i + j).is_multiple_of(3)))
    });
    let given = model.predict_all_with(arrays![&tokens, &mask], quiet())?;
    assert_eq!(again.predict_all_with(arrays![&tokens, &mask], quiet())?, given);
    Ok(())
}

/// Figures by the formulas: positions 0 to 2 of 4 features.
#[test]
fn positions_are_sines_and_cosines() -> Outcome {
    let x = Input::new([3, 4]).tensor();
    let sines = SinePositionEncoding::new().on(&x);
    let later = SinePositionEncoding::new().on(CallArguments::of(&x).start_index(2));
    let rotated = RotaryEmbedding::new().on(&x);
    let mut model = Functional::new(&x, [&sines, &later, &rotated])?;
    let data = numbers(&[1, 3, 4], 9);
    let given = model.predict_all_with(&data, quiet())?;
    let angle = |position: usize, i: usize| {
        position as f64 * 10_000_f64.powf(-((2 * (i / 2)) as f64) / 4.0)
    };
    let sine = |position: usize, i: usize| {
        let angle = angle(position, i);
        if i.is_multiple_of(2) { angle.sin() } else { angle.cos() }
    };
    let rows = |first: usize| {
        (first..first + 3).flat_map(move |p| (0..4).map(move |i| sine(p, i))).collect::<Vec<_>>()
    };
    near(given[0].iter().copied(), rows(0));
    near(given[1].iter().copied(), rows(2));
    let turned = (0..3).flat_map(|p| {
        let x = |i: usize| f64::from(data[[0, p, i]]);
        let w = |i: usize| p as f64 * 10_000_f64.powf(-((2 * i) as f64) / 4.0);
        [0, 1, 2, 3].map(|i| {
            let pair = i % 2;
            let (sin, cos) = w(pair).sin_cos();
            if i < 2 {
                x(pair) * cos - x(pair + 2) * sin
            } else {
                x(pair + 2) * cos + x(pair) * sin
            }
        })
    });
    near(given[2].iter().copied(), turned.collect::<Vec<_>>());
    Ok(())
}

/// Figures by KerasHub's formulas, of one row at position 3.
#[test]
fn rotations_of_longer_sequences_are_slower() -> Outcome {
    let x = Input::new([1, 8]).tensor();
    let of = |rope_type: &str, factor: f64| {
        RotaryEmbedding::new().rope_type(rope_type).scaling_factor(factor)
    };
    let short =
        of("yarn", 4.0).truncate(false).beta_fast(16.0).original_max_position_embeddings(100);
    let at = |layer: RotaryEmbedding| layer.on(CallArguments::of(&x).start_index(3));
    let outputs = [at(of("dynamic", 2.0)), at(of("yarn", 4.0)), at(short)];
    let mut model = Functional::new(&x, outputs)?;
    let row = Array3::from_shape_fn((1, 1, 8), |(_, _, i)| (i + 1) as f32);
    let expected = [
        [-4.271719, 1.273198, 2.916451, 3.990473, 2.784316, 6.195076, 7.03522, 8.004757],
        [-1.930652, 0.15662, 3.265852, 4.547685, -5.47549, 7.199622, 8.033049, 9.112449],
        [-1.930652, 1.493908, 3.356015, 4.547685, -5.47549, 7.044666, 7.995801, 9.112449],
    ];
    for (given, expected) in model.predict_all_with(&row, quiet())?.iter().zip(expected) {
        near(given.iter().copied(), expected);
    }
    Ok(())
}

/// The way back with weights of its own, and with a bound.
#[test]
fn an_embedding_is_reversed() -> Outcome {
    let ids = Input::new([3]).dtype("int32").tensor();
    let words = ReversibleEmbedding::new(5, 2).tie_weights(false).logit_soft_cap(0.5).shared();
    let x = words.on(&ids);
    let mut model = Functional::new(&ids, [&x, &words.on(CallArguments::of(&x).reverse(true))])?;
    set_weights(&mut model)?;
    let weights = model.get_weights()?;
    let tokens = Array2::from_shape_vec((1, 3), vec![4, 0, 2])?;
    let given = model.predict_all_with(&tokens, quiet())?;
    for (step, &token) in [4, 0, 2].iter().enumerate() {
        for number in 0..5 {
            let of =
                |f: usize| f64::from(weights[0][[token, f]]) * f64::from(weights[1][[f, number]]);
            let score = ((of(0) + of(1)) / 0.5).tanh() * 0.5;
            near([given[1][[0, step, number]]], [score]);
        }
    }
    Ok(())
}
