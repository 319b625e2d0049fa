//! The Keras-like frontend of Brolga: layers, models, losses, metrics, optimizers.
//!
//! ```no_run
//! use brolga_nn::prelude::*;
//! # fn main() -> Result<(), NnError> {
//! # let (x_train, y_train) = (ndarray::Array4::<f32>::zeros((1, 28, 28, 1)), ndarray::Array1::<u8>::zeros(1));
//! # let (x_test, y_test) = (x_train.clone(), y_train.clone());
//! let mut model = Sequential::new();
//! model.add(Input::new([28, 28, 1]));
//! model.add(Conv2D::new(32, (3, 3)).activation("relu"));
//! model.add(MaxPooling2D::new((2, 2)));
//! model.add(Flatten::new());
//! model.add(Dropout::new(0.5));
//! model.add(Dense::new(10).activation("softmax"));
//! model.compile(Compile::new().optimizer("adam").loss("sparse_categorical_crossentropy").metrics(["accuracy"]))?;
//! let history = model.fit(&x_train, &y_train, Fit::new().epochs(10).batch_size(32).validation_data(&x_test, &y_test))?;
//! let scores = model.evaluate(&x_test, &y_test)?;
//! let classes = model.predict(&x_test)?;
//! # Ok(())
//! # }
//! ```
//!
//! `docs/frontend.md` tells how a model becomes programs.

pub mod activations;
pub mod applications;
pub mod arguments;
mod arrays;
pub mod builtin;
mod callback;
pub mod callbacks;
pub mod cells;
pub mod config;
pub mod constraints;
pub mod ctc;
mod data;
mod dataset;
mod error;
pub mod files;
mod head;
mod history;
pub mod initializers;
pub mod keywords;
pub mod layers;
pub mod losses;
mod masks;
pub mod metrics;
pub mod model;
mod network;
mod nonfinite;
mod normal;
pub mod optimizers;
mod outline;
pub mod pictures;
pub mod preprocessing;
pub mod registry;
pub mod regularizers;
pub mod report;
mod setters;
mod states;
pub mod trace;
mod warning;
mod windows;

pub use arrays::{Arrays, IntoArrays};
pub use callback::{Callback, Inference, Training, TrainingPlan};
pub use data::{Data, Element, IntoData};
pub use dataset::{Batch, Dataset, IntoBatch, IntoPart, IntoSource, Source};
pub use error::NnError;
pub use history::{History, Logs, Series};
pub use model::{Compile, Evaluate, Fit, Kind, OnBatch, Predict, Sequential, Session};
pub use warning::{Warning, WarningKind};
pub use windows::{Scaling, Window};

/// Everything that a program with a model in it uses.
pub mod prelude {
    pub use brolga_ir::{Var, custom_gradient};

    pub use crate::activations::Activation;
    pub use crate::callbacks::{
        BackupAndRestore, CSVLogger, EarlyStopping, LambdaCallback, LearningRateScheduler,
        ModelCheckpoint, ReduceLROnPlateau, SwapEMAWeights, TensorBoard, TerminateOnNaN,
    };
    pub use crate::cells::{GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells};
    pub use crate::layers::{
        ActivityRegularization, AdaptiveAveragePooling1D, AdaptiveAveragePooling2D,
        AdaptiveAveragePooling3D, AdaptiveMaxPooling1D, AdaptiveMaxPooling2D, AdaptiveMaxPooling3D,
        Add, AdditiveAttention, AlphaDropout, Attention, Average, AveragePooling1D,
        AveragePooling2D, AveragePooling3D, BatchNormalization, Bidirectional, CategoryEncoding,
        CenterCrop, Concatenate, Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose, Conv3D,
        Conv3DTranspose, ConvLSTM1D, ConvLSTM2D, ConvLSTM3D, Cropping1D, Cropping2D, Cropping3D,
        Dense, DepthwiseConv1D, DepthwiseConv2D, Discretization, Dot, Dropout, ELU, EinsumDense,
        Embedding, Flatten, GRU, GaussianDropout, GaussianNoise, GlobalAveragePooling1D,
        GlobalAveragePooling2D, GlobalAveragePooling3D, GlobalMaxPooling1D, GlobalMaxPooling2D,
        GlobalMaxPooling3D, GroupNormalization, GroupQueryAttention, Identity, Input,
        IntegerLookup, LSTM, Lambda, Layer, LayerNormalization, LeakyReLU, Masking, MaxPooling1D,
        MaxPooling2D, MaxPooling3D, Maximum, MelSpectrogram, Minimum, MultiHeadAttention, Multiply,
        Normalization, PReLU, Permute, PositionEmbedding, RMSNormalization, RNN, RandomContrast,
        RandomCrop, RandomFlip, RandomRotation, RandomTranslation, RandomZoom, ReLU, RepeatVector,
        Rescaling, Reshape, Resizing, ReversibleEmbedding, RotaryEmbedding, STFTSpectrogram,
        SeparableConv1D, SeparableConv2D, SimpleRNN, SinePositionEncoding, Softmax,
        SpatialDropout1D, SpatialDropout2D, SpatialDropout3D, Subtract, TimeDistributed,
        TokenAndPositionEmbedding, UnitNormalization, UpSampling1D, UpSampling2D, UpSampling3D,
        ZeroPadding1D, ZeroPadding2D, ZeroPadding3D,
    };
    pub use crate::losses::{self, Loss};
    pub use crate::metrics::{self, Metric};
    pub use crate::model::{
        Apply, CallArguments, Functional as Model, Shared, Symbolic, TrainStep, value_and_grad,
    };
    pub use crate::optimizers::{
        Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lion, Muon, Nadam,
        Optimizer, RMSprop, SGD, schedules,
    };
    pub use crate::pictures::{ConfusionMatrix, ImageGrid, PlotModel, plot_model};
    pub use crate::preprocessing::{Hashing, StringLookup, TextVectorization};
    pub use crate::{
        Callback, Compile, Dataset, Evaluate, Fit, History, Inference, Logs, NnError, OnBatch,
        Predict, Sequential, Training, constraints, initializers, regularizers,
    };
}
