//! Files that cannot be read or written, and memory that is not there.

use std::fs;

use brolga_nn::Kind;
use brolga_nn::prelude::*;
use brolga_runtime::Backend;
use ndarray::{Array, Array1, Array2, Array4};

use crate::{classifier, compile, message};

#[test]
fn weights_files_that_do_not_fit() {
    let folder = tempfile::tempdir_in(std::env::temp_dir()).expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let hide = |text: String| {
        let name = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        text.replace(&name, "folder")
    };
    let mut model = classifier("mse");
    model.save_weights(path("whole.safetensors")).expect("a folder that can be written");
    let whole = fs::read(path("whole.safetensors")).expect("it was written");
    fs::write(path("truncated.safetensors"), &whole[..whole.len() - 5]).expect("a folder");
    fs::write(path("foreign.safetensors"), b"PK\x03\x04 this is a zip file, and a long one")
        .expect("a folder");
    let load = |model: &mut Sequential, name: &str| hide(message(model.load_weights(path(name))));
    insta::assert_snapshot!(load(&mut model, "truncated.safetensors"), @r"
    [tmp]/folder/truncated.safetensors: this is no complete safetensors file (incomplete metadata, file not fully covered)
      help: it must be a file that save_weights or save_state has written
    ");
    insta::assert_snapshot!(load(&mut model, "foreign.safetensors"), @r"
    [tmp]/folder/foreign.safetensors: this is no complete safetensors file (header too large)
      help: it must be a file that save_weights or save_state has written
    ");
    insta::assert_snapshot!(load(&mut model, "missing.safetensors"), @"
    [tmp]/folder/missing.safetensors: No such file or directory (os error 2)
      help: check the path: its folder must exist, and a file to be read too
    ");

    let mut wider = Sequential::new();
    wider.add(Input::new([4]));
    wider.add(Dense::new(5));
    insta::assert_snapshot!(load(&mut wider, "whole.safetensors"), @"[tmp]/folder/whole.safetensors: weight `kernel` of layer `dense` is f32[4,5], f32[4,3] was given");
    let mut deeper = Sequential::new();
    deeper.add(Input::new([4]));
    deeper.add(Dense::new(3)).add(Dense::new(3));
    insta::assert_snapshot!(load(&mut deeper, "whole.safetensors"), @"[tmp]/folder/whole.safetensors: weight `kernel` of layer `dense_1` is f32[3,3], nothing of the name `dense_1/kernel` was given");
    let mut unbiased = Sequential::new();
    unbiased.add(Input::new([4]));
    unbiased.add(Dense::new(3).use_bias(false));
    insta::assert_snapshot!(load(&mut unbiased, "whole.safetensors"), @r"
    [tmp]/folder/whole.safetensors: the file has a weight `dense/bias`, the model has none of this name
      help: the weights must come from a model of the same layers
    ");
    insta::assert_snapshot!(hide(message(model.load_state(path("whole.safetensors")))), @r"
    [tmp]/folder/whole.safetensors: the file has no state `optimizer/learning_rate`: f32[]
      help: the weights must come from a model of the same layers
    ");
    let nowhere = hide(message(model.save_weights(path("nowhere/weights.safetensors"))));
    insta::assert_snapshot!(nowhere, @"
    [tmp]/folder/nowhere/weights.safetensors: No such file or directory (os error 2)
      help: check the path: its folder must exist, and a file to be read too
    ");
}

#[test]
fn more_memory_than_allowed() {
    let mut model = Sequential::new();
    model.add(Input::new([28, 28, 1]));
    model.add(Conv2D::new(8, 3).activation("relu"));
    model.add(Flatten::new());
    model.add(Dense::new(10));
    let compile = compile().loss("sparse_categorical_crossentropy").memory_limit(100_000);
    model.compile(compile).expect("the model is right");
    let (x, y) = (Array4::<f32>::zeros((4, 28, 28, 1)), Array::<u8, _>::zeros(4));
    insta::assert_snapshot!(message(model.fit(&x, &y, Fit::new())), @"
    graph `train_step` needs 648.8 KiB of memory, 97.7 KiB are allowed

    layer   role         states     values  at the peak
    conv2d  forward       384 B  253.5 KiB          0 B
    dense   forward   211.3 KiB      384 B          0 B
    -       forward       128 B        0 B          0 B
    sgd     update        128 B      192 B          0 B
    loss    forward         0 B    1.2 KiB         64 B
    loss    backward        0 B    3.1 KiB          0 B
    dense   backward        0 B  295.8 KiB    211.3 KiB
    conv2d  backward        0 B  106.0 KiB          0 B
    conv2d  update          0 B      768 B        384 B
    dense   update          0 B  422.6 KiB    211.2 KiB
    -       update          0 B       64 B          0 B

    part                             memory
    constants                         896 B
    inputs                         12.3 KiB
    results, outputs, workspaces  423.0 KiB
    scratch of the workers              0 B
    arena                         436.2 KiB
    arena, at least               436.2 KiB
    states                        212.6 KiB
    total                         648.8 KiB

    plan: 1.000 times its lower bound (largest first)

      help: a smaller batch and layers with fewer units need less, a larger memory_limit allows more
    ");
}

#[test]
fn more_memory_than_allowed_for_all_programs() {
    let (x, y) = (Array2::<f32>::ones((7, 4)), Array1::<u8>::zeros(7));
    let fitted = |limit: usize, backend: Backend| {
        let mut model = Sequential::new();
        model.add(Input::new([4]));
        model.add(Dense::new(30).activation("relu"));
        model.add(Dense::new(3).activation("softmax"));
        let compile = compile().loss("sparse_categorical_crossentropy").threads(1);
        model.compile(compile.backend(backend).memory_limit(limit)).expect("the model is right");
        let fit = Fit::new().batch_size(4).validation_data(&x, &y).verbose(false);
        let result = model.fit(&x, &y, fit);
        let memory = model.session().expect("a built model").memory(Kind::Train);
        (result, memory.map(|report| report.total))
    };
    for backend in [Backend::Native, Backend::Interpreter] {
        let (result, largest) = fitted(usize::MAX, backend);
        result.expect("memory for all");
        let largest = largest.expect("the program of a full batch");
        // Each program is within this limit, all of them together are not.
        let (result, allocated) = fitted(largest + 1024, backend);
        let error = message(result);
        assert!(error.starts_with("the programs need "), "{error}");
        assert_eq!(allocated, None, "a program has memory already");
        if backend == Backend::Interpreter {
            insta::assert_snapshot!(error, @"
            the programs need 9.2 KiB of memory together, 4.6 KiB are allowed

            program                       memory
            train_step for a batch of 4  2.2 KiB
            train_step for a batch of 3  2.2 KiB
            eval_step for a batch of 4   1.2 KiB
            eval_step for a batch of 3     960 B
            states                       1.3 KiB
            copies of the states         1.3 KiB
            total                        9.2 KiB

            train_step for a batch of 4
            layer    role      states   values  at the peak
            dense    forward    640 B  1.5 KiB        512 B
            dense_1  forward    448 B    512 B          0 B
            -        forward    128 B      0 B          0 B
            sgd      update     128 B    192 B          0 B
            loss     forward      0 B    768 B         64 B
            loss     backward     0 B    704 B          0 B
            dense_1  backward     0 B    960 B        960 B
            dense    backward     0 B  1.2 KiB        128 B
            dense    update       0 B  1.2 KiB          0 B
            dense_1  update       0 B    896 B          0 B
            -        update       0 B     64 B          0 B

            train_step for a batch of 3
            layer    role      states   values  at the peak
            dense    forward    640 B  1.1 KiB          0 B
            dense_1  forward    448 B    512 B          0 B
            -        forward    128 B      0 B          0 B
            sgd      update     128 B    192 B          0 B
            loss     forward      0 B    768 B         64 B
            loss     backward     0 B    704 B          0 B
            dense_1  backward     0 B    832 B        448 B
            dense    backward     0 B  1.1 KiB        640 B
            dense    update       0 B  1.2 KiB        512 B
            dense_1  update       0 B    896 B          0 B
            -        update       0 B     64 B          0 B

            eval_step for a batch of 4
            layer    role     states   values  at the peak
            dense    forward   640 B  1.5 KiB      1.0 KiB
            dense_1  forward   448 B    512 B          0 B
            loss     forward     0 B    768 B          0 B

            eval_step for a batch of 3
            layer    role     states   values  at the peak
            dense    forward   640 B  1.1 KiB        768 B
            dense_1  forward   448 B    512 B          0 B
            loss     forward     0 B    768 B          0 B

              help: a smaller batch and layers with fewer units need less, a larger memory_limit allows more; if the batch divides the number of samples there is no program for a last, smaller one
            ");
        }
    }
}
