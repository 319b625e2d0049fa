//! Burn on its CPU backend Flex.

use brolga_compare_peers::{Case, Result, Task, Weights, serve};
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Convolutions with pooling, if any, then dense layers: logits.
#[derive(Module, Debug)]
struct Network {
    convolutions: Vec<Conv2d>,
    pool: MaxPool2d,
    dense: Vec<Linear>,
    dropout: Dropout,
    /// How many of the dense layers are followed by dropout.
    dropped: usize,
}

impl Network {
    fn new(task: &Task, device: &Device) -> Result<Self> {
        let weights = task.weights()?;
        let images = task.model == "mnist_cnn";
        let names: &[&str] = if images { &["conv2d", "conv2d_1"] } else { &[] };
        let convolutions = names.iter().map(|name| convolution(&weights, name, device));
        let names: &[&str] =
            if images { &["dense", "dense_1"] } else { &["dense", "dense_1", "dense_2"] };
        let dense = names.iter().map(|name| dense(&weights, name, images, device));
        let rate = if images { 0.5 } else { 0.2 };
        Ok(Self {
            convolutions: convolutions.collect::<Result<_>>()?,
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            dense: dense.collect::<Result<_>>()?,
            dropout: DropoutConfig::new(rate).init(),
            dropped: if task.dropout { names.len() - 1 } else { 0 },
        })
    }

    fn images(&self, mut x: Tensor<4>) -> Tensor<2> {
        for layer in &self.convolutions {
            x = self.pool.forward(relu(layer.forward(x)));
        }
        self.rows(x.flatten(1, 3))
    }

    fn rows(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (place, layer) in self.dense.iter().enumerate() {
            x = layer.forward(x);
            if place + 1 < self.dense.len() {
                x = relu(x);
            }
            if place < self.dropped {
                x = self.dropout.forward(x);
            }
        }
        x
    }
}

fn param<const D: usize>(
    (shape, values): (Vec<usize>, Vec<f32>),
    device: &Device,
) -> Param<Tensor<D>> {
    Param::from_data(TensorData::new(values, shape), device)
}

fn convolution(weights: &Weights, name: &str, device: &Device) -> Result<Conv2d> {
    let kernel = weights.transposed(&format!("{name}/kernel"), &[3, 2, 0, 1])?;
    let mut layer = Conv2dConfig::new([kernel.0[1], kernel.0[0]], [3, 3]).init(device);
    layer.weight = param(kernel, device);
    layer.bias = Some(param(weights.get(&format!("{name}/bias"))?, device));
    Ok(layer)
}

fn dense(weights: &Weights, name: &str, images: bool, device: &Device) -> Result<Linear> {
    let kernel = match name {
        "dense" if images => weights.behind_channels_first()?,
        _ => weights.get(&format!("{name}/kernel"))?,
    };
    let mut layer = LinearConfig::new(kernel.0[0], kernel.0[1]).init(device);
    layer.weight = param(kernel, device);
    layer.bias = Some(param(weights.get(&format!("{name}/bias"))?, device));
    Ok(layer)
}

/// A batch, as the model takes it.
#[derive(Clone)]
enum Batch {
    Images(Tensor<4>),
    Rows(Tensor<2>),
}

impl Batch {
    fn new(task: &Task, device: &Device) -> Result<Self> {
        let x = task.images()?;
        Ok(if task.model == "mnist_cnn" {
            // One channel: channels-first and channels-last are the same bytes.
            let data = TensorData::new(x, [task.batch, 1, 28, 28]);
            Self::Images(Tensor::from_data(data, device))
        } else {
            Self::Rows(Tensor::from_data(TensorData::new(x, [task.batch, 784]), device))
        })
    }

    fn forward(&self, network: &Network) -> Tensor<2> {
        match self.clone() {
            Self::Images(x) => network.images(x),
            Self::Rows(x) => network.rows(x),
        }
    }
}

struct Train {
    /// Always there between two steps: a step takes it and gives back the next.
    network: Option<Network>,
    optimizer: ModuleOptimizer,
    loss: CrossEntropyLoss,
    x: Batch,
    y: Tensor<1, Int>,
    last: f32,
}

impl Train {
    fn new(task: &Task) -> Result<Self> {
        let device = Device::flex().autodiff();
        let labels = task.labels()?;
        Ok(Self {
            network: Some(Network::new(task, &device)?),
            optimizer: AdamConfig::new().with_epsilon(task.epsilon as f32).init(),
            loss: CrossEntropyLossConfig::new().init(&device),
            x: Batch::new(task, &device)?,
            y: Tensor::from_data(TensorData::new(labels, [task.batch]), &device),
            last: 0.0,
        })
    }
}

impl Case for Train {
    fn step(&mut self) -> Result<()> {
        let network = self.network.take().ok_or("a step has failed")?;
        let loss = self.loss.forward(self.x.forward(&network), self.y.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        self.network = Some(self.optimizer.step(1e-3, network, gradients));
        self.last = loss.into_scalar::<f32>();
        Ok(())
    }

    fn values(&mut self) -> Result<Vec<f32>> {
        Ok(vec![self.last])
    }
}

struct Predict {
    network: Network,
    x: Batch,
    y: Vec<f32>,
}

impl Case for Predict {
    fn step(&mut self) -> Result<()> {
        let y = softmax(self.x.forward(&self.network), 1).into_data();
        self.y = y.try_to_vec::<f32>().map_err(|error| format!("{error:?}"))?;
        Ok(())
    }

    fn values(&mut self) -> Result<Vec<f32>> {
        Ok(self.y.clone())
    }
}

fn main() -> Result<()> {
    // Its number of threads comes from RAYON_NUM_THREADS, which the driver sets.
    serve("burn", "0.22.1 (flex)", |task| match task.run.as_str() {
        "train" => Ok(Box::new(Train::new(task)?)),
        "predict" => {
            let device = Device::flex();
            let (network, x) = (Network::new(task, &device)?, Batch::new(task, &device)?);
            Ok(Box::new(Predict { network, x, y: vec![] }))
        }
        other => Err(format!("burn's worker does not {other}").into()),
    })
}
