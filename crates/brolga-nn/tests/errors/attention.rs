//! Masks, attention and positions that do not fit.

use brolga_nn::model::{Functional, Shared, Symbolic};
use brolga_nn::prelude::*;
use brolga_nn::registry::from_config;
use serde_json::json;

use crate::ranges::all;
use crate::{built, message};

fn input(shape: &[usize]) -> Symbolic {
    Input::new(shape.iter().copied()).tensor()
}

/// The message of a layer that is called on inputs of these shapes.
fn on(layer: impl Layer + 'static, shapes: &[&[usize]]) -> String {
    with(layer, shapes, |inputs, _| CallArguments::of(inputs), &[])
}

/// The same with arguments that are made of further inputs.
fn with(
    layer: impl Layer + 'static,
    shapes: &[&[usize]],
    arguments: impl Fn(&[Symbolic], &[Symbolic]) -> CallArguments,
    further: &[&[usize]],
) -> String {
    let [inputs, others] =
        [shapes, further].map(|shapes| shapes.iter().map(|shape| input(shape)).collect::<Vec<_>>());
    let y = Shared::of_layer(std::sync::Arc::new(layer)).on(arguments(&inputs, &others));
    let ends = [inputs, others].concat();
    message(Functional::new(&ends, &y).and_then(|mut model| model.build(&[])))
}

fn heads() -> MultiHeadAttention {
    MultiHeadAttention::new(2, 4)
}

const PAIR: [&[usize]; 2] = [&[5, 8], &[7, 8]];

#[test]
fn attention_that_does_not_fit_its_inputs() {
    insta::assert_snapshot!(all([
        built(&[5, 8], heads()),
        on(heads(), &[&[8], &[8]]),
        on(heads(), &[&[5, 8], &[7, 3, 8]]),
        on(heads(), &[&[5, 8], &[7, 8], &[6, 8]]),
        on(heads().attention_axes(2), &[&[5, 3, 8], &[6, 3, 8]]),
        on(heads().attention_axes(0), &PAIR),
        on(heads().attention_axes([1, -2]), &PAIR),
        on(heads().dropout(0.5).flash_attention(true), &PAIR),
        on(heads().dropout(1.5), &PAIR),
        on(heads().sliding_window(0), &PAIR),
        on(MultiHeadAttention::new(0, 4), &PAIR),
        on(heads().value_dim(0), &PAIR),
        on(GroupQueryAttention::new(4, 3, 2), &PAIR),
        on(GroupQueryAttention::new(4, 2, 2), &[&[5, 3, 8], &[5, 3, 8]]),
        on(GroupQueryAttention::new(4, 2, 0), &PAIR),
        on(Attention::new(), &[&[5, 8]]),
        on(Attention::new(), &[&[5, 8], &[7, 6]]),
        on(Attention::new().score_mode("sum"), &PAIR),
        on(AdditiveAttention::new(), &[&[5, 8], &[7, 8], &[6, 8]]),
        on(AdditiveAttention::new(), &[&[5], &[7]]),
        built(&[], Masking::new()),
    ]), @r#"
    layer `multi_head_attention`: MultiHeadAttention takes query and value, or query, value and key, given (None, 5, 8);  help: of one sequence: layer.on([&x, &x])
    layer `multi_head_attention`: MultiHeadAttention takes sequences (None, steps, features), given (None, 8), (None, 8);  help: all inputs need the same number of axes
    layer `multi_head_attention`: MultiHeadAttention takes sequences (None, steps, features), given (None, 5, 8), (None, 7, 3, 8);  help: all inputs need the same number of axes
    layer `multi_head_attention`: MultiHeadAttention: value and key differ in their steps, given (None, 5, 8), (None, 7, 8), (None, 6, 8);  help: there is one value for each key
    layer `multi_head_attention`: MultiHeadAttention attends along other axes than 1, on which query and value differ, given (None, 5, 3, 8), (None, 6, 3, 8);  help: make them equal, or name the axis in attention_axes
    layer `multi_head_attention`: MultiHeadAttention: attention_axes are [0] of an input of 3 axes;  help: name axes of steps, each once: not the batch, which is 0, and not the features, the last one
    layer `multi_head_attention`: MultiHeadAttention: attention_axes are [1, -2] of an input of 3 axes;  help: name axes of steps, each once: not the batch, which is 0, and not the features, the last one
    layer `multi_head_attention`: MultiHeadAttention: flash_attention with a dropout of 0.5;  help: leave one of them out, as Keras asks for
    layer `multi_head_attention`: MultiHeadAttention: `dropout` is 1.5;  help: it must be a number from 0 to 1
    layer `multi_head_attention`: MultiHeadAttention: `sliding_window` is 0;  help: it must be a whole number from 1 on
    layer `multi_head_attention`: MultiHeadAttention: `num_heads` is 0;  help: it must be a whole number from 1 on
    layer `multi_head_attention`: MultiHeadAttention: `value_dim` is 0;  help: it must be a whole number from 1 on
    layer `group_query_attention`: GroupQueryAttention: 3 heads of queries, 2 of keys and values;  help: num_query_heads must be a multiple of num_key_value_heads
    layer `group_query_attention`: GroupQueryAttention takes sequences (None, steps, features), given (None, 5, 3, 8);  help: with several axes of steps take MultiHeadAttention
    layer `group_query_attention`: GroupQueryAttention: `num_key_value_heads` is 0;  help: it must be a whole number from 1 on
    layer `attention`: Attention takes query and value, or query, value and key, given (None, 5, 8);  help: layer.on([&query, &value])
    layer `attention`: Attention takes query (None, T, features), value (None, S, values) and key (None, S, features), given (None, 5, 8), (None, 7, 6);  help: without a key the value is the key
    layer `attention`: there is no score_mode `sum`;  help: score_mode is "dot" or "concat"
    layer `additive_attention`: AdditiveAttention takes query (None, T, features), value (None, S, values) and key (None, S, features), given (None, 5, 8), (None, 7, 8), (None, 6, 8);  help: without a key the value is the key
    layer `additive_attention`: AdditiveAttention takes query (None, T, features), value (None, S, values) and key (None, S, features), given (None, 5), (None, 7);  help: without a key the value is the key
    layer `masking`: Masking takes steps with features, given (None,);  help: a sample needs an axis: Input::new([steps, features])
    "#);
}

#[test]
fn arguments_that_do_not_fit_attention() {
    let scores =
        |x: &[Symbolic], _: &[Symbolic]| CallArguments::of(x).return_attention_scores(true);
    let cached = |x: &[Symbolic], more: &[Symbolic]| CallArguments::of(x).cache(&more[0], &more[1]);
    let causal = |x: &[Symbolic], _: &[Symbolic]| CallArguments::of(x).use_causal_mask(true);
    insta::assert_snapshot!(all([
        with(heads(), &PAIR, |x, m| CallArguments::of(x).attention_mask(&m[0]), &[&[7, 5]]),
        with(heads(), &PAIR, |x, m| CallArguments::of(x).query_mask(&m[0]), &[&[7]]),
        with(heads(), &PAIR, |x, m| CallArguments::of(x).value_mask(&m[0]), &[&[5]]),
        with(Attention::new(), &PAIR, |x, m| CallArguments::of(x).mask(m), &[&[5], &[5]]),
        with(heads().flash_attention(true), &PAIR, scores, &[]),
        with(heads(), &[&[5, 3, 8], &[5, 3, 8]], causal, &[]),
        with(heads(), &PAIR, |x, _| CallArguments::of(x).argument("use_causal_mask", 2), &[]),
        with(heads(), &PAIR, |x, _| CallArguments::of(x).argument("causal", true), &[]),
        with(heads(), &[&[1, 8], &[1, 8]], cached, &[&[2, 9, 2, 3], &[1]]),
        with(heads(), &[&[1, 8], &[1, 8]], cached, &[&[2, 9, 2, 4], &[2]]),
        with(heads(), &[&[3, 8], &[3, 8]], cached, &[&[2, 2, 2, 4], &[1]]),
        with(
            heads(),
            &[&[3, 8], &[3, 8]],
            |x, m| CallArguments::of(x).tensor("cache", &m[0]).argument("cache_update_index", 7),
            &[&[2, 9, 2, 4]],
        ),
        with(heads(), &PAIR, |x, _| CallArguments::of(x).argument("cache_update_index", 0), &[]),
    ]), @"
    layer `multi_head_attention`: attention_mask is (None, 7, 5), which does not fit the scores;  help: it says where each query attends to each key: (None, 5, 7)
    layer `multi_head_attention`: a mask (None, 7) does not fit (None, 5, 8);  help: a mask has the first axes of its tensor: a truth value for each step
    layer `multi_head_attention`: a mask (None, 5) does not fit (None, 7, 2, 4);  help: a mask has the first axes of its tensor: a truth value for each step
    layer `attention`: a mask (None, 5) does not fit (None, 7, 8);  help: a mask has the first axes of its tensor: a truth value for each step
    layer `multi_head_attention`: MultiHeadAttention: return_attention_scores with flash_attention;  help: leave one of them out, as Keras asks for
    layer `multi_head_attention`: MultiHeadAttention: places of steps along 2 axes;  help: use_causal_mask and sliding_window are for one axis: name it in attention_axes
    layer `multi_head_attention`: the argument `use_causal_mask` of the call is 2;  help: `use_causal_mask` is true or false
    layer `multi_head_attention`: MultiHeadAttention is called with `causal`, which it does not take;  help: it takes mask, training, query_mask, value_mask, key_mask, attention_mask, use_causal_mask, return_attention_scores, cache, cache_update_index
    layer `multi_head_attention`: MultiHeadAttention: the cache is (None, 2, 9, 2, 3);  help: for keys and values of 2 heads and 4 features it is (None, 2, steps, 2, 4)
    layer `multi_head_attention`: MultiHeadAttention: cache_update_index is (None, 2);  help: it is a whole number, or one for each sample: (None, 1)
    layer `multi_head_attention`: MultiHeadAttention: the cache has 2 places, 3 are needed;  help: make the cache as long as the longest sequence
    layer `multi_head_attention`: MultiHeadAttention: the cache has 9 places, 10 are needed;  help: make the cache as long as the longest sequence
    layer `multi_head_attention`: MultiHeadAttention: cache_update_index without a cache;  help: give the call both, or none
    ");
}

#[test]
fn positions_that_do_not_fit() {
    let at = |first: usize| {
        move |x: &[Symbolic], _: &[Symbolic]| CallArguments::of(x).start_index(first)
    };
    let each = |x: &[Symbolic], p: &[Symbolic]| CallArguments::of(x).positions(&p[0]);
    insta::assert_snapshot!(all([
        built(&[12, 4], PositionEmbedding::new(10)),
        with(PositionEmbedding::new(10), &[&[4, 4]], at(7), &[]),
        built(&[12], PositionEmbedding::new(20)),
        with(PositionEmbedding::new(10), &[&[4, 4]], each, &[&[3]]),
        built(&[12], TokenAndPositionEmbedding::new(5, 10, 4)),
        built(&[12, 2], TokenAndPositionEmbedding::new(5, 20, 4)),
        built(&[4], SinePositionEncoding::new()),
        built(&[4, 2], SinePositionEncoding::new().max_wavelength(0.0)),
        with(SinePositionEncoding::new(), &[&[4, 4]], each, &[&[4]]),
        with(
            SinePositionEncoding::new(),
            &[&[4, 4]],
            |x, p| CallArguments::of(x).tensor("start_index", &p[0]),
            &[&[4]],
        ),
        built(&[4, 3], RotaryEmbedding::new()),
        built(&[4, 4], RotaryEmbedding::new().sequence_axis(2)),
        built(&[4, 4], RotaryEmbedding::new().sequence_axis(3)),
        built(&[4, 4], RotaryEmbedding::new().rope_type("cubic")),
        with(RotaryEmbedding::new(), &[&[4, 4]], each, &[&[4]]),
        with(ReversibleEmbedding::new(5, 3), &[&[4]], |x, _| CallArguments::of(x).reverse(true), &[]),
        with(
            TokenAndPositionEmbedding::new(5, 4, 3),
            &[&[4]],
            |x, _| CallArguments::of(x).argument("start_index", -1),
            &[],
        ),
    ]), @r#"
    layer `position_embedding`: PositionEmbedding has 10 positions, the sequence needs 12;  help: make sequence_length larger, or the sequence shorter
    layer `position_embedding`: PositionEmbedding has 10 positions, the sequence needs 11;  help: make sequence_length larger, or the sequence shorter
    layer `position_embedding`: PositionEmbedding takes sequences (None, steps, features), given (None, 12);  help: an Embedding makes one of token numbers
    layer `position_embedding`: the argument `positions` of the call is (None, 3);  help: it is a position for each step: (None, 4)
    layer `token_and_position_embedding`: TokenAndPositionEmbedding has 10 positions, the sequence needs 12;  help: make sequence_length larger, or the sequence shorter
    layer `token_and_position_embedding`: TokenAndPositionEmbedding takes token numbers (None, steps), given (None, 12, 2);  help: a sample is one sequence: Input::new([steps])
    layer `sine_position_encoding`: SinePositionEncoding takes sequences (None, steps, features), given (None, 4);  help: an Embedding makes one of token numbers
    layer `sine_position_encoding`: SinePositionEncoding: `max_wavelength` is 0;  help: it must be a number above 0 that f32 can hold
    layer `sine_position_encoding`: SinePositionEncoding: positions that are a tensor, of no known length;  help: say how many there are: .sequence_length(512)
    layer `sine_position_encoding`: the argument `start_index` of the call is (None, 4);  help: it is a whole number, or one for each sample: (None, 1)
    layer `rotary_embedding`: RotaryEmbedding rotates pairs of features, given 3;  help: make the number of features even
    layer `rotary_embedding`: RotaryEmbedding: sequence_axis and feature_axis are the same;  help: name the axis of the steps and that of the features
    layer `rotary_embedding`: (None, 4, 4) has no axis 3;  help: there are 1 to 2, or -1 to -2 counted from the last
    layer `rotary_embedding`: there is no rope_type `cubic`;  help: rope_type is "linear", "dynamic" or "yarn"
    layer `rotary_embedding`: RotaryEmbedding: positions that are a tensor, of no known length;  help: say how many there are: .sequence_length(512)
    layer `reversible_embedding`: ReversibleEmbedding in reverse takes vectors of 3, given (None, 4);  help: they are as long as the embeddings
    layer `token_and_position_embedding`: the argument `start_index` of the call is -1;  help: `start_index` is a whole number from 0 on, or a tensor
    "#);
}

#[test]
fn configs_of_calls_that_cannot_be_read() {
    let error = |keyword: serde_json::Value| {
        let tensor = json!({
            "class_name": "__keras_tensor__",
            "config": { "shape": [null, 4, 2], "dtype": "float32", "keras_history": ["a", 0, 0] },
        });
        let input = json!({
            "class_name": "InputLayer",
            "config": { "batch_shape": [null, 4, 2], "name": "a" },
            "name": "a",
            "inbound_nodes": [],
        });
        let layer = json!({
            "class_name": "MultiHeadAttention",
            "config": { "num_heads": 1, "key_dim": 2, "name": "b" },
            "name": "b",
            "inbound_nodes": [{ "args": [tensor, tensor], "kwargs": keyword }],
        });
        let config = json!({
            "class_name": "Functional",
            "config": {
                "name": "model",
                "layers": [input, layer],
                "input_layers": [["a", 0, 0]],
                "output_layers": [["b", 0, 0]],
            },
        });
        message(Functional::from_config(&config).and_then(|mut model| model.build(&[])))
    };
    insta::assert_snapshot!(all([
        error(json!({ "use_causal_mask": "yes" })),
        error(json!({ "causal": true })),
        error(json!({ "query_mask": ["a", 0, 0] })),
        error(json!({ "query_mask": { "class_name": "__keras_tensor__", "config": {} } })),
        message(from_config::<dyn Layer>(&json!({
            "class_name": "MultiHeadAttention",
            "config": { "num_heads": 1, "key_dim": 2, "seed": 3 },
        }))),
    ]), @r#"
    layer `b`: the argument `use_causal_mask` of the call is "yes";  help: `use_causal_mask` is true or false
    layer `b`: MultiHeadAttention is called with `causal`, which it does not take;  help: it takes mask, training, query_mask, value_mask, key_mask, attention_mask, use_causal_mask, return_attention_scores, cache, cache_update_index
    Functional: layer `b`, call 0: a list holds what is no tensor: "a"
    Functional: layer `b`, call 0: a tensor has no `keras_history`
    MultiHeadAttention: `seed` = 3 is not supported
    "#);
}
