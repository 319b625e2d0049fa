//! candle on the CPU.

use brolga_compare_peers::{Case, Result, Task, serve};
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use candle_nn::{Conv2d, Linear, Module, loss, ops};

const DEVICE: Device = Device::Cpu;

enum Layer {
    Conv(Conv2d),
    Dense(Linear),
    Relu,
    Pool,
    Flatten,
    Dropout(f32),
}

/// A model that gives logits, and its weights.
struct Model {
    layers: Vec<Layer>,
    weights: Vec<Var>,
}

impl Model {
    fn new(task: &Task) -> Result<Self> {
        let mut model = Self { layers: vec![], weights: vec![] };
        if task.model == "mnist_cnn" {
            for name in ["conv2d", "conv2d_1"] {
                let weights = task.weights()?;
                let kernel = weights.transposed(&format!("{name}/kernel"), &[3, 2, 0, 1])?;
                let kernel = model.weight(kernel)?;
                let bias = model.weight(weights.get(&format!("{name}/bias"))?)?;
                model.layers.push(Layer::Conv(Conv2d::new(kernel, Some(bias), Default::default())));
                model.layers.extend([Layer::Relu, Layer::Pool]);
            }
            model.layers.push(Layer::Flatten);
            model.dense(task, "dense")?;
            model.layers.extend([Layer::Relu, Layer::Dropout(0.5)]);
            model.dense(task, "dense_1")?;
        } else {
            for name in ["dense", "dense_1"] {
                model.dense(task, name)?;
                model.layers.extend([Layer::Relu, Layer::Dropout(0.2)]);
            }
            model.dense(task, "dense_2")?;
        }
        let dropped = |layer: &Layer| matches!(layer, Layer::Dropout(_)) && !task.dropout;
        model.layers.retain(|layer| !dropped(layer));
        Ok(model)
    }

    fn weight(&mut self, (shape, values): (Vec<usize>, Vec<f32>)) -> Result<Tensor> {
        let var = Var::from_tensor(&Tensor::from_vec(values, shape, &DEVICE)?)?;
        let tensor = var.as_tensor().clone();
        self.weights.push(var);
        Ok(tensor)
    }

    /// A dense layer; candle keeps its kernel as [outputs, inputs].
    fn dense(&mut self, task: &Task, name: &str) -> Result<()> {
        let weights = task.weights()?;
        let behind_images = task.model == "mnist_cnn" && name == "dense";
        let path = format!("{name}/kernel");
        let (shape, values) =
            if behind_images { weights.behind_channels_first()? } else { weights.get(&path)? };
        let kernel = Tensor::from_vec(values, shape, &DEVICE)?.t()?.contiguous()?;
        let var = Var::from_tensor(&kernel)?;
        let kernel = var.as_tensor().clone();
        self.weights.push(var);
        let bias = self.weight(weights.get(&format!("{name}/bias"))?)?;
        self.layers.push(Layer::Dense(Linear::new(kernel, Some(bias))));
        Ok(())
    }

    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = match layer {
                Layer::Conv(layer) => layer.forward(&x)?,
                Layer::Dense(layer) => layer.forward(&x)?,
                Layer::Relu => x.relu()?,
                Layer::Pool => pool(&x)?,
                Layer::Flatten => x.flatten_from(1)?,
                Layer::Dropout(rate) if training => ops::dropout(&x, *rate)?,
                Layer::Dropout(_) => x,
            };
        }
        Ok(x)
    }
}

/// Pooling of windows of 2 by 2. The gradient of candle's pooling is wrong where a row or column is
/// left over: it is cut off.
fn pool(x: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let x = if height % 2 == 1 { x.narrow(2, 0, height - 1)? } else { x.clone() };
    let x = if width % 2 == 1 { x.narrow(3, 0, width - 1)? } else { x };
    Ok(x.max_pool2d(2)?)
}

fn images(task: &Task) -> Result<Tensor> {
    let shape: &[usize] = match task.model.as_str() {
        // One channel: channels-first and channels-last are the same bytes.
        "mnist_cnn" => &[task.batch, 1, 28, 28],
        _ => &[task.batch, 784],
    };
    Ok(Tensor::from_vec(task.images()?, shape, &DEVICE)?)
}

struct Train {
    model: Model,
    optimizer: AdamW,
    x: Tensor,
    y: Tensor,
    loss: f32,
}

impl Train {
    fn new(task: &Task) -> Result<Self> {
        let model = Model::new(task)?;
        let eps = task.epsilon;
        let adam = ParamsAdamW { lr: 1e-3, eps, weight_decay: 0.0, ..Default::default() };
        let optimizer = AdamW::new(model.weights.clone(), adam)?;
        let y = Tensor::new(task.labels()?, &DEVICE)?.to_dtype(DType::U32)?;
        Ok(Self { model, optimizer, x: images(task)?, y, loss: 0.0 })
    }
}

impl Case for Train {
    fn step(&mut self) -> Result<()> {
        let loss = loss::cross_entropy(&self.model.forward(&self.x, true)?, &self.y)?;
        self.optimizer.backward_step(&loss)?;
        self.loss = loss.to_scalar()?;
        Ok(())
    }

    fn values(&mut self) -> Result<Vec<f32>> {
        Ok(vec![self.loss])
    }
}

struct Predict {
    model: Model,
    x: Tensor,
    y: Option<Tensor>,
}

impl Case for Predict {
    fn step(&mut self) -> Result<()> {
        // Detached, so that no graph of the gradient is kept.
        let logits = self.model.forward(&self.x, false)?.detach();
        self.y = Some(ops::softmax_last_dim(&logits)?);
        Ok(())
    }

    fn values(&mut self) -> Result<Vec<f32>> {
        let y = self.y.as_ref().ok_or("no step has been run")?;
        Ok(y.flatten_all()?.to_vec1()?)
    }
}

fn main() -> Result<()> {
    // Its number of threads comes from RAYON_NUM_THREADS, which the driver sets.
    serve("candle", "0.11.1", |task| match task.run.as_str() {
        "train" => Ok(Box::new(Train::new(task)?)),
        "predict" => {
            let (model, x) = (Model::new(task)?, images(task)?);
            Ok(Box::new(Predict { model, x, y: None }))
        }
        other => Err(format!("candle's worker does not {other}").into()),
    })
}
