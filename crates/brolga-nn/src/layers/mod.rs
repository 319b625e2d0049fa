//! Layers, one file each: arguments, weights, and what they compute.
//!
//! A new layer is a new file and one line in the list below.

mod adaptive_pooling;
mod affine;
mod attend;
mod axes;
mod cache;
mod categories;
mod conv_lstm;
mod convolution;
mod cropped;
mod cropping;
mod depthwise;
mod einsum;
mod fourier;
mod heads;
mod images;
mod lambda;
mod merging;
mod moments;
mod noise_shape;
mod pooling;
mod positions;
mod quantiles;
mod random_affine;
mod recurrent;
mod renorm;
mod resampling;
mod scores;
mod separable;
mod sides;
mod spatial_dropout;
mod trainable;
mod transposed;
mod up_sampling;
mod weights;
mod zero_padding;

use std::fmt;

use brolga_ir::{Mistake, Shape, Type, Var};
use serde::{Deserialize, Serialize};

use crate::constraints::Constraint;
use crate::error::with_batch;
use crate::initializers::Initializer;
use crate::registry::{Choice, Object, classes, snake_case};
use crate::regularizers::Regularizer;
use crate::trace::Call;

pub use adaptive_pooling::AdaptivePooling;
pub use affine::{Factor, FillMode};
pub use axes::Axes;
pub use conv_lstm::ConvolutionalLSTM;
pub use convolution::Convolution;
pub use cropping::Cropping;
pub use depthwise::DepthwiseConvolution;
pub use einsum_dense::OutputShape;
pub use lambda::Lambda;
pub use normalization::Statistic;
pub use pooling::{GlobalPooling, Greatest, Mean, Taken, WindowPooling};
pub use random_affine::{Motion, RandomAffine};
pub use random_rotation::Rotation;
pub use random_translation::Translation;
pub use random_zoom::Zoom;
pub use recurrent::Recurrence;
pub use renorm::RenormClipping;
pub use resampling::Interpolation;
pub use separable::SeparableConvolution;
pub use sides::Sides;
pub use spatial_dropout::SpatialDropout;
pub use trainable::Trainable;
pub use transposed::TransposedConvolution;
pub use zero_padding::ZeroPadding;

pub(crate) use dropout::dropped;
pub(crate) use weights::{
    Bias, Kernel, Recurrent, bias_setters, kernel_setters, recurrent_setters,
};

classes! {
    "layer" Layer(snake_case) of "keras.layers" {
        activation: Activation,
        activity_regularization: ActivityRegularization,
        adaptive_average_pooling1d: AdaptiveAveragePooling1D,
        adaptive_average_pooling2d: AdaptiveAveragePooling2D,
        adaptive_average_pooling3d: AdaptiveAveragePooling3D,
        adaptive_max_pooling1d: AdaptiveMaxPooling1D,
        adaptive_max_pooling2d: AdaptiveMaxPooling2D,
        adaptive_max_pooling3d: AdaptiveMaxPooling3D,
        add: Add,
        additive_attention: AdditiveAttention,
        alpha_dropout: AlphaDropout,
        attention: Attention,
        average: Average,
        average_pooling1d: AveragePooling1D,
        average_pooling2d: AveragePooling2D,
        average_pooling3d: AveragePooling3D,
        batch_normalization: BatchNormalization,
        bidirectional: Bidirectional,
        category_encoding: CategoryEncoding,
        center_crop: CenterCrop,
        concatenate: Concatenate,
        conv1d: Conv1D,
        conv1d_transpose: Conv1DTranspose,
        conv2d: Conv2D,
        conv2d_transpose: Conv2DTranspose,
        conv3d: Conv3D,
        conv3d_transpose: Conv3DTranspose,
        conv_lstm1d: ConvLSTM1D,
        conv_lstm2d: ConvLSTM2D,
        conv_lstm3d: ConvLSTM3D,
        cropping1d: Cropping1D,
        cropping2d: Cropping2D,
        cropping3d: Cropping3D,
        dense: Dense,
        depthwise_conv1d: DepthwiseConv1D,
        depthwise_conv2d: DepthwiseConv2D,
        discretization: Discretization,
        dot: Dot,
        dropout: Dropout,
        einsum_dense: EinsumDense,
        elu: ELU,
        embedding: Embedding,
        flatten: Flatten,
        gaussian_dropout: GaussianDropout,
        gaussian_noise: GaussianNoise,
        global_average_pooling1d: GlobalAveragePooling1D,
        global_average_pooling2d: GlobalAveragePooling2D,
        global_average_pooling3d: GlobalAveragePooling3D,
        global_max_pooling1d: GlobalMaxPooling1D,
        global_max_pooling2d: GlobalMaxPooling2D,
        global_max_pooling3d: GlobalMaxPooling3D,
        group_normalization: GroupNormalization,
        gru: GRU,
        group_query_attention: GroupQueryAttention ["GroupedQueryAttention"],
        identity: Identity,
        input: Input ["InputLayer"],
        integer_lookup: IntegerLookup,
        layer_normalization: LayerNormalization,
        leaky_relu: LeakyReLU,
        lstm: LSTM,
        masking: Masking,
        max_pooling1d: MaxPooling1D,
        max_pooling2d: MaxPooling2D,
        max_pooling3d: MaxPooling3D,
        maximum: Maximum,
        mel_spectrogram: MelSpectrogram,
        minimum: Minimum,
        multi_head_attention: MultiHeadAttention ["CachedMultiHeadAttention"],
        multiply: Multiply,
        normalization: Normalization,
        permute: Permute,
        position_embedding: PositionEmbedding,
        prelu: PReLU,
        random_contrast: RandomContrast,
        random_crop: RandomCrop,
        random_flip: RandomFlip,
        random_rotation: RandomRotation,
        random_translation: RandomTranslation,
        random_zoom: RandomZoom,
        relu: ReLU,
        repeat_vector: RepeatVector,
        rescaling: Rescaling,
        reshape: Reshape,
        resizing: Resizing,
        reversible_embedding: ReversibleEmbedding,
        rms_normalization: RMSNormalization,
        rnn: RNN,
        rotary_embedding: RotaryEmbedding,
        separable_conv1d: SeparableConv1D,
        separable_conv2d: SeparableConv2D,
        simple_rnn: SimpleRNN,
        sine_position_encoding: SinePositionEncoding,
        softmax: Softmax,
        spatial_dropout1d: SpatialDropout1D,
        spatial_dropout2d: SpatialDropout2D,
        spatial_dropout3d: SpatialDropout3D,
        stft_spectrogram: STFTSpectrogram,
        subtract: Subtract,
        time_distributed: TimeDistributed,
        token_and_position_embedding: TokenAndPositionEmbedding,
        unit_normalization: UnitNormalization,
        up_sampling1d: UpSampling1D,
        up_sampling2d: UpSampling2D,
        up_sampling3d: UpSampling3D,
        zero_padding1d: ZeroPadding1D,
        zero_padding2d: ZeroPadding2D,
        zero_padding3d: ZeroPadding3D,
    }
}

/// A layer: which weights it has and what it computes. It holds arguments alone; the weights'
/// values belong to the model.
///
/// Keras: `keras.layers.Layer`.
pub trait Layer: Object {
    /// The arguments that all layers have.
    fn base(&self) -> &Base;

    /// The weights for inputs of these types, in Keras's order.
    ///
    /// # Errors
    /// If the arguments do not fit the inputs.
    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let _ = inputs;
        Ok(vec![])
    }

    /// Adds what the layer computes to the graph and returns its outputs. The first axis of inputs
    /// and outputs is the batch.
    ///
    /// A layer of one input and one output writes `call.map(inputs, |call, x| ..)`. Mistakes are
    /// kept by the tracer, with the layer's name.
    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var>;

    /// Whether the first output has the mask of the first input that has one (Keras's
    /// `supports_masking`); false by default: the mask is dropped. A layer with a rule of its own
    /// asks for masks by [`Call::mask`] and gives them by [`Call::set_mask`].
    fn supports_masking(&self) -> bool {
        false
    }

    /// The arguments that a call of the layer may have besides its inputs, `mask` and `training`.
    fn keywords(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether Keras calls a layer of several inputs as `layer(a, b)`, not as `layer([a, b])`;
    /// configs of models tell them apart.
    fn takes_separate_inputs(&self) -> bool {
        false
    }

    /// What it runs over the steps of a sequence, if it is a recurrent layer.
    fn recurrent(&self) -> Option<Recurrence<'_>> {
        None
    }

    /// Lets training change the weights or not, from the next
    /// [`compile`](crate::model::Model::compile) on: Keras's `layer.trainable = False`. Statistics
    /// of a frozen `BatchNormalization` stay too.
    fn set_trainable(&self, trainable: bool) {
        self.base().trainable.set(trainable);
    }

    /// For a layer that stands for the input of the model: the type of its samples, without the
    /// batch.
    fn input_type(&self) -> Option<Type> {
        None
    }

    /// For a layer that stands for the input of the model: the size of all batches, if it is
    /// declared.
    fn batch_size(&self) -> Option<usize> {
        None
    }
}

impl<T: Layer + 'static> From<T> for Choice<dyn Layer> {
    fn from(layer: T) -> Self {
        Self::Object(std::sync::Arc::new(layer))
    }
}

/// The arguments that all layers have.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Base {
    /// The name; `None` lets the model choose one after the class.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether training changes the weights.
    #[serde(default)]
    pub trainable: Trainable,
    /// The regularizer of each output, whose terms are added to the loss; none by default.
    #[serde(default)]
    pub activity_regularizer: Option<Choice<dyn Regularizer>>,
    /// Whether masks are handed on; `None`, the default, leaves it to the
    /// [class](Layer::supports_masking). In Keras it is an attribute, of which no config tells; here
    /// one does where it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supports_masking: Option<bool>,
}

pub(crate) fn yes() -> bool {
    true
}

/// The declaration of a weight.
#[derive(Debug, Clone)]
pub struct WeightSpec {
    /// The name within the layer, such as `kernel`.
    pub name: String,
    /// Element type and shape.
    pub ty: Type,
    /// Its first values.
    pub initializer: Choice<dyn Initializer>,
    /// Whether it can be trained at all (a running statistic cannot).
    pub trainable: bool,
    /// The regularizer, whose term is added to the loss while the weight is trained.
    pub regularizer: Option<Choice<dyn Regularizer>>,
    /// The constraint, applied after each update by the optimizer.
    pub constraint: Option<Choice<dyn Constraint>>,
    /// Whether it is a state of the samples of a batch, which the samples at the same places of the
    /// next batch go on with.
    pub carried: bool,
}

impl WeightSpec {
    /// A trainable `f32` weight.
    pub fn trainable(
        name: &str,
        shape: impl Into<Shape>,
        initializer: &Choice<dyn Initializer>,
    ) -> Self {
        let (name, initializer) = (name.to_owned(), initializer.clone());
        let (ty, regularizer, constraint) = (Type::f32(shape), None, None);
        let (trainable, carried) = (true, false);
        Self { name, ty, initializer, trainable, regularizer, constraint, carried }
    }

    /// The same with a regularizer, if there is one.
    #[must_use]
    pub fn regularizer(mut self, regularizer: &Option<Choice<dyn Regularizer>>) -> Self {
        self.regularizer.clone_from(regularizer);
        self
    }

    /// The same with a constraint, if there is one.
    #[must_use]
    pub fn constraint(mut self, constraint: &Option<Choice<dyn Constraint>>) -> Self {
        self.constraint.clone_from(constraint);
        self
    }

    /// An `f32` weight that the optimizer leaves alone, such as a moving mean: [`Call::update`]
    /// changes it.
    pub fn non_trainable(
        name: &str,
        shape: impl Into<Shape>,
        initializer: &Choice<dyn Initializer>,
    ) -> Self {
        Self { trainable: false, ..Self::trainable(name, shape, initializer) }
    }

    /// A state of the samples of a batch, `[batch, ..]`, at first zeros: [`Call::keep`] changes it,
    /// and [`reset_states`](crate::model::Model::reset_states) lets it be zeros again. The model
    /// has to know the [size of batches](Input::batch_size).
    pub fn carried(name: &str, shape: impl Into<Shape>) -> Self {
        let zeros = crate::initializers::Zeros::default().into();
        Self { carried: true, ..Self::non_trainable(name, shape, &zeros) }
    }
}

/// Implements for a layer struct with the field `base` what all of them have: `name`, `trainable`,
/// [`Object`]. A table says which numbers its arguments may be.
///
/// ```
/// use brolga_ir::Var;
/// use brolga_nn::layers::{Base, Layer};
/// use brolga_nn::trace::Call;
/// use serde::{Deserialize, Serialize};
///
/// /// `x · factor`.
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Scale {
///     #[serde(flatten)]
///     base: Base,
///     factor: f64,
/// }
///
/// brolga_nn::layer!(Scale { factor: Finite });
///
/// impl Layer for Scale {
///     fn base(&self) -> &Base {
///         &self.base
///     }
///
///     fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
///         call.map(inputs, |_, x| x * self.factor)
///     }
/// }
/// ```
#[macro_export]
macro_rules! layer {
    ($type:ident $($arguments:tt)*) => {
        $crate::object!($type $($arguments)*);

        impl $type {
            /// Gives the layer a name.
            #[must_use]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.base.name = Some(name.into());
                self
            }

            /// Whether training changes the weights; true by default.
            #[must_use]
            pub fn trainable(mut self, trainable: bool) -> Self {
                self.base.trainable = trainable.into();
                self
            }

            /// The regularizer of each output, whose terms are added to the loss; none by default.
            #[must_use]
            pub fn activity_regularizer(
                mut self,
                regularizer: impl Into<$crate::registry::Choice<dyn $crate::regularizers::Regularizer>>,
            ) -> Self {
                self.base.activity_regularizer = Some(regularizer.into());
                self
            }

            /// Hands the mask of the input on to the output, or drops it knowingly; the class
            /// decides by default.
            #[must_use]
            pub fn supports_masking(mut self, supports_masking: bool) -> Self {
                self.base.supports_masking = Some(supports_masking);
                self
            }
        }
    };
}
pub use layer;

/// The shapes of a layer's inputs as messages show them: `(None, 28, 28)`.
pub(crate) fn shapes(inputs: &[Type]) -> String {
    let shape = |ty: &Type| with_batch(ty.shape.get(1..).unwrap_or_default());
    inputs.iter().map(shape).collect::<Vec<_>>().join(", ")
}

/// The shape of a tensor as messages show it.
pub(crate) fn shape_of(x: &Var) -> String {
    shapes(std::slice::from_ref(x.ty()))
}

/// The initializer of weights that start at 0.
pub(crate) fn zeros() -> Choice<dyn Initializer> {
    crate::initializers::Zeros::default().into()
}

impl fmt::Display for WeightSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.ty)
    }
}
