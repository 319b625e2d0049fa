//! The training step of the first model, a convolutional network for MNIST.

mod common;

use brolga_ir::{Graph, Op};
use brolga_passes::{PassManager, optimize, pipeline};
use common::{MNIST, TINY, train_step};

/// Each kernel in a line: the types of its results, kind, name, layer and role.
fn kernels(graph: &Graph) -> String {
    let line = |id| {
        let node = graph.node(id);
        let Op::Kernel(kernel) = &node.op else { return None };
        let mut types: Vec<String> = node.types.iter().map(ToString::to_string).collect();
        if types.len() > 6 {
            types = vec![format!("{} results", types.len())];
        }
        let (kind, name) = (format!("{:?}", kernel.kind).to_lowercase(), kernel.body.name());
        let (layer, role) = (node.origin.layer.as_deref().unwrap_or("-"), node.origin.role.name());
        Some(format!("{} = {kind} {name} @{layer} #{role}", types.join(", ")))
    };
    graph.order().into_iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_step_is_a_few_kernels() {
    let mut graph = train_step(MNIST);
    optimize(&mut graph).expect("the step can be optimized");
    insta::assert_snapshot!(kernels(&graph), @"
    bool[32,128] = random random_bernoulli @dropout #forward
    f32[32,13,13,32], u8[32,13,13,32] = contraction conv_add_relu_max_pool @conv2d #forward
    f32[32,5,5,64], u8[32,5,5,64] = contraction conv_add_relu_max_pool @conv2d_1 #forward
    f32[32,128], f32[32,128] = contraction matmul_add_relu_mul_select @dense #forward
    f32[32,10] = contraction matmul_add @dense_1 #forward
    f32[32], i32[32], f32[32,10] = rows reduce_max_sub_exp_reduce_sum_log_etc @loss #forward
    f32[32,128] = contraction matmul_gt_select_mul @dense_1 #backward
    f32[32,1600] = contraction matmul @dense #backward
    f32[10] = columns reduce_sum @dense_1 #backward
    f32[128] = columns reduce_sum @dense #backward
    f32[32,13,13,32] = contraction gt_select_max_unpool_conv_grad_input @conv2d_1 #backward
    f32[], f32[], f32[] = rows reduce_mean_mul_add_eq_cast_reduce_sum @loss #forward
    i32[], f32[] = rows add_cast_pow_sub_sqrt_etc @adam #update
    f32[1600,128], f32[1600,128], f32[1600,128] = contraction matmul_sub_mul_add_flush_etc @dense #backward
    f32[128,10], f32[128,10], f32[128,10] = contraction matmul_sub_mul_add_flush_etc @dense_1 #backward
    f32[3,3,32,64], f32[3,3,32,64], f32[3,3,32,64], f32[64], f32[64], f32[64] = contraction gt_select_max_unpool_conv_grad_filter_sub_etc @conv2d_1 #backward
    f32[3,3,1,32], f32[3,3,1,32], f32[3,3,1,32], f32[32], f32[32], f32[32] = contraction max_unpool_conv_grad_filter_sub_mul_add_etc @conv2d #backward
    f32[128], f32[128], f32[128], f32[10], f32[10], f32[10] = update sub_mul_add_flush_sqrt_div @adam #update
    ");
}

#[test]
fn no_activation_of_a_convolution_is_stored_at_full_size() {
    let mut graph = train_step(MNIST);
    optimize(&mut graph).expect("the step can be optimized");
    let full = |types: &[brolga_ir::Type]| {
        types.iter().any(|ty| ty.shape[..] == [32, 26, 26, 32] || ty.shape[..] == [32, 11, 11, 64])
    };
    let stored: Vec<_> = graph.ids().filter(|&id| full(&graph.node(id).types)).collect();
    assert!(stored.is_empty(), "{stored:?}");
}

#[test]
fn every_pass_keeps_the_bits() {
    let mut graph = train_step(TINY);
    let ran = PassManager::new(pipeline()).check_each_pass(true).run(&mut graph);
    assert!(ran.is_ok(), "{}", ran.expect_err("an error"));
}

#[test]
fn the_result_is_the_same_text_every_time() {
    let text = || {
        let mut graph = train_step(TINY);
        optimize(&mut graph).expect("the step can be optimized");
        graph.to_string()
    };
    assert_eq!(text(), text());
}
