//! tract: inference of the model file that the driver has written.

use std::sync::Arc;

use brolga_compare_peers::{Case, Result, Task, serve, threads};
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

struct Predict {
    model: Arc<TypedRunnableModel>,
    x: TValue,
    y: Vec<f32>,
}

impl Predict {
    fn new(task: &Task) -> Result<Self> {
        let model = tract_onnx::onnx().model_for_path(task.path("model.onnx"))?;
        let model = model.into_optimized()?.into_runnable()?;
        // One channel: channels-first and channels-last are the same bytes.
        let x = Tensor::from_shape(&[task.batch, 1, 28, 28], &task.images()?)?.into_tvalue();
        Ok(Self { model, x, y: vec![] })
    }
}

impl Case for Predict {
    fn step(&mut self) -> Result<()> {
        let y = self.model.run(tvec![self.x.clone()])?;
        self.y.clear();
        self.y.extend(y[0].to_plain_array_view::<f32>()?.iter());
        Ok(())
    }

    fn values(&mut self) -> Result<Vec<f32>> {
        Ok(self.y.clone())
    }
}

fn main() -> Result<()> {
    set_default_executor(Executor::multithread(threads()?));
    serve("tract", "0.23.9", |task| match task.run.as_str() {
        "predict" => Ok(Box::new(Predict::new(task)?)),
        other => Err(format!("tract does not {other}").into()),
    })
}
