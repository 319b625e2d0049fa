//! Gradients of whole models, as they are printed.

use crate::differentiated;

/// Two dense layers and the mean of squares.
#[test]
fn a_perceptron() {
    let graph = differentiated(
        "graph train_step(%x: f32[8,3], %y: f32[8,2], state %w1: f32[3,4], state %b1: f32[4], state %w2: f32[4,2], state %b2: f32[2]) {
          %0: f32[8,4] = matmul %x, %w1              @hidden
          %1: f32[8,4] = add %0, %b1                 @hidden
          %2: f32[8,4] = tanh %1                     @hidden
          %3: f32[8,2] = matmul %2, %w2              @output
          %4: f32[8,2] = add %3, %b2                 @output
          %5: f32[8,2] = sub %4, %y                  @loss
          %6: f32[8,2] = mul %5, %5                  @loss
          %7: f32[] = reduce_mean %6 {axes=[0,1]}    @loss
          return %7
        }",
        &["w1", "b1", "w2", "b2"],
    );
    insta::assert_snapshot!(graph, @r"
    graph train_step(
      %x: f32[8,3],
      %y: f32[8,2],
      state %w1: f32[3,4],
      state %b1: f32[4],
      state %w2: f32[4,2],
      state %b2: f32[2]
    ) {
      %0: f32[8,4] = matmul %x, %w1 {transpose_a=false, transpose_b=false}   @hidden
      %1: f32[8,4] = add %0, %b1   @hidden
      %2: f32[8,4] = tanh %1   @hidden
      %3: f32[8,2] = matmul %2, %w2 {transpose_a=false, transpose_b=false}   @output
      %4: f32[8,2] = add %3, %b2   @output
      %5: f32[8,2] = sub %4, %y   @loss
      %6: f32[8,2] = mul %5, %5   @loss
      %7: f32[] = reduce_mean %6 {axes=[0,1], keepdims=false}   @loss
      %8: f32[] = constant {value=1}   @loss #backward
      %9: f32[] = constant {value=16}   @loss #backward
      %10: f32[] = div %8, %9   @loss #backward
      %11: f32[8,2] = broadcast %10 {shape=[8,2]}   @loss #backward
      %12: f32[8,2] = mul %11, %5   @loss #backward
      %13: f32[8,2] = mul %11, %5   @loss #backward
      %14: f32[8,2] = add %12, %13   @loss #backward
      %15: f32[2] = reduce_sum %14 {axes=[0], keepdims=false}   @output #backward
      %16: f32[8,4] = matmul %14, %w2 {transpose_a=false, transpose_b=true}   @output #backward
      %17: f32[4,2] = matmul %2, %14 {transpose_a=true, transpose_b=false}   @output #backward
      %18: f32[8,4] = mul %2, %2   @hidden #backward
      %19: f32[] = constant {value=1}   @hidden #backward
      %20: f32[8,4] = sub %19, %18   @hidden #backward
      %21: f32[8,4] = mul %16, %20   @hidden #backward
      %22: f32[4] = reduce_sum %21 {axes=[0], keepdims=false}   @hidden #backward
      %23: f32[3,4] = matmul %x, %21 {transpose_a=true, transpose_b=false}   @hidden #backward
      return %23, %22, %17, %15
    }
    ");
}

/// Convolution, pooling, a dense layer, and softmax with cross entropy.
#[test]
fn a_convolutional_network() {
    let graph = differentiated(
        "graph train_step(%x: f32[8,6,6,1], %y: i32[8], state %k: f32[3,3,1,2], state %c: f32[2], state %w: f32[8,10], state %b: f32[10]) {
          %0: f32[8,4,4,2] = conv %x, %k {strides=[1,1]}                                @conv2d
          %1: f32[8,4,4,2] = add %0, %c                                      @conv2d
          %2: f32[8,4,4,2] = relu %1                                         @conv2d
          %3: f32[8,2,2,2] = max_pool %2 {strides=[2,2], window=[2,2]}       @max_pooling2d
          %4: f32[8,8] = reshape %3 {shape=[8,8]}                            @flatten
          %5: f32[8,10] = matmul %4, %w                                      @dense
          %6: f32[8,10] = add %5, %b                                         @dense
          %7: f32[8,1] = reduce_max %6 {axes=[1], keepdims=true}             @loss
          %8: f32[8,1] = stop_gradient %7                                    @loss
          %9: f32[8,10] = sub %6, %8                                         @loss
          %10: f32[8,10] = exp %9                                            @loss
          %11: f32[8] = reduce_sum %10 {axes=[1]}                            @loss
          %12: f32[8] = log %11                                              @loss
          %13: f32[8,10] = one_hot %y {depth=10, dtype=\"f32\"}                  @loss
          %14: f32[8,10] = mul %9, %13                                       @loss
          %15: f32[8] = reduce_sum %14 {axes=[1]}                            @loss
          %16: f32[8] = sub %12, %15                                         @loss
          %17: f32[] = reduce_mean %16 {axes=[0]}                            @loss
          return %17
        }",
        &["k", "c", "w", "b"],
    );
    insta::assert_snapshot!(graph, @r#"
    graph train_step(
      %x: f32[8,6,6,1],
      %y: i32[8],
      state %k: f32[3,3,1,2],
      state %c: f32[2],
      state %w: f32[8,10],
      state %b: f32[10]
    ) {
      %0: f32[8,4,4,2] = conv %x, %k {dilation=[1,1], groups=1, padding=[[0,0],[0,0]], strides=[1,1]}   @conv2d
      %1: f32[8,4,4,2] = add %0, %c   @conv2d
      %2: f32[8,4,4,2] = relu %1   @conv2d
      %3: f32[8,2,2,2] = max_pool %2 {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @max_pooling2d
      %4: f32[8,8] = reshape %3 {shape=[8,8]}   @flatten
      %5: f32[8,10] = matmul %4, %w {transpose_a=false, transpose_b=false}   @dense
      %6: f32[8,10] = add %5, %b   @dense
      %7: f32[8,1] = reduce_max %6 {axes=[1], keepdims=true}   @loss
      %8: f32[8,1] = stop_gradient %7   @loss
      %9: f32[8,10] = sub %6, %8   @loss
      %10: f32[8,10] = exp %9   @loss
      %11: f32[8] = reduce_sum %10 {axes=[1], keepdims=false}   @loss
      %12: f32[8] = log %11   @loss
      %13: f32[8,10] = one_hot %y {depth=10, dtype="f32"}   @loss
      %14: f32[8,10] = mul %9, %13   @loss
      %15: f32[8] = reduce_sum %14 {axes=[1], keepdims=false}   @loss
      %16: f32[8] = sub %12, %15   @loss
      %17: f32[] = reduce_mean %16 {axes=[0], keepdims=false}   @loss
      %18: f32[] = constant {value=1}   @loss #backward
      %19: f32[] = constant {value=8}   @loss #backward
      %20: f32[] = div %18, %19   @loss #backward
      %21: f32[8] = broadcast %20 {shape=[8]}   @loss #backward
      %22: f32[8] = neg %21   @loss #backward
      %23: f32[8,1] = reshape %22 {shape=[8,1]}   @loss #backward
      %24: f32[8,10] = broadcast %23 {shape=[8,10]}   @loss #backward
      %25: f32[8,10] = mul %24, %13   @loss #backward
      %26: f32[8] = div %21, %11   @loss #backward
      %27: f32[8,1] = reshape %26 {shape=[8,1]}   @loss #backward
      %28: f32[8,10] = broadcast %27 {shape=[8,10]}   @loss #backward
      %29: f32[8,10] = mul %28, %10   @loss #backward
      %30: f32[8,10] = add %25, %29   @loss #backward
      %31: f32[10] = reduce_sum %30 {axes=[0], keepdims=false}   @dense #backward
      %32: f32[8,8] = matmul %30, %w {transpose_a=false, transpose_b=true}   @dense #backward
      %33: f32[8,10] = matmul %4, %30 {transpose_a=true, transpose_b=false}   @dense #backward
      %34: f32[8,2,2,2] = reshape %32 {shape=[8,2,2,2]}   @flatten #backward
      %35: u8[8,2,2,2] = max_pool_index %2 {padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @max_pooling2d #backward
      %36: f32[8,4,4,2] = max_unpool %34, %35 {input=[4,4], padding=[[0,0],[0,0]], strides=[2,2], window=[2,2]}   @max_pooling2d #backward
      %37: f32[] = constant {value=0}   @conv2d #backward
      %38: bool[8,4,4,2] = gt %2, %37   @conv2d #backward
      %39: f32[8,4,4,2] = select %38, %36, %37   @conv2d #backward
      %40: f32[2] = reduce_sum %39 {axes=[0,1,2], keepdims=false}   @conv2d #backward
      %41: f32[3,3,1,2] = conv_grad_filter %x, %39 {dilation=[1,1], groups=1, kernel=[3,3], padding=[[0,0],[0,0]], strides=[1,1]}   @conv2d #backward
      return %41, %40, %33, %31
    }
    "#);
}
