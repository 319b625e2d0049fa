//! The plan of memory beside what live ranges need at least.

use std::error::Error;

use brolga::codegen::{CodegenOptions, compile};
use brolga::nn::applications::{Architecture, densenet121, mobilenet_v2, resnet50, vgg16};
use brolga::nn::model::{Model, Network};
use brolga::nn::{Kind, builtin};
use brolga::passes;
use brolga::prelude::Compile;
use brolga::runtime::{Options, Planned, StateLayout};

/// The bytes planned beside the most that are alive at once.
fn ratio<N: Network>(mut model: Model<N>, kind: Kind) -> Result<f64, Box<dyn Error>> {
    model.compile(Compile::new().loss("sparse_categorical_crossentropy"))?;
    let mut graph = model.trace(kind, 4)?;
    passes::optimize(&mut graph)?;
    let kernels = compile(&graph, &CodegenOptions::default())?;
    let layout = StateLayout::of_graphs([&graph])?;
    Ok(Planned::native(kernels, &layout, &Options::default())?.memory().planned_ratio())
}

#[test]
fn plans_are_not_much_larger_than_live_ranges_need() -> Result<(), Box<dyn Error>> {
    let small = || Architecture::new().input_shape([32, 32, 3]).classes(10);
    for kind in [Kind::Train, Kind::Predict] {
        let ratios = [
            ("mnist_cnn", ratio(builtin::mnist_cnn()?, kind)?),
            ("mlp", ratio(builtin::mlp()?, kind)?),
            ("resnet50", ratio(resnet50(small())?, kind)?),
            ("mobilenet_v2", ratio(mobilenet_v2(small())?, kind)?),
            ("densenet121", ratio(densenet121(small())?, kind)?),
            ("vgg16", ratio(vgg16(small())?, kind)?),
        ];
        for (name, ratio) in ratios {
            assert!((1.0..=1.15).contains(&ratio), "{name}, {kind:?}: {ratio:.3}");
        }
    }
    Ok(())
}
