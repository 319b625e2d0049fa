//! A model as a graph of boxes: Keras's `plot_model`.

mod diagram;
mod draw;
mod layout;
#[cfg(test)]
mod tests;

use std::path::Path;

use diagram::Diagram;
use layout::Direction;

use super::svg;
use crate::error::NnError;
use crate::model::Model;
use crate::network::Network;

/// What a picture of a model shows. By default, as in Keras, the classes of the layers alone, from
/// top to bottom.
#[derive(Debug, Clone)]
pub struct PlotModel {
    show_shapes: bool,
    show_dtype: bool,
    show_layer_names: bool,
    show_layer_activations: bool,
    show_trainable: bool,
    expand_nested: bool,
    rankdir: String,
}

impl Default for PlotModel {
    fn default() -> Self {
        Self {
            show_shapes: false,
            show_dtype: false,
            show_layer_names: false,
            show_layer_activations: false,
            show_trainable: false,
            expand_nested: false,
            rankdir: "TB".to_owned(),
        }
    }
}

impl PlotModel {
    /// Keras's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the shapes of inputs and outputs are shown; false by default. Of a layer that is
    /// called several times they are those of its first call.
    #[must_use]
    pub fn show_shapes(mut self, show: bool) -> Self {
        self.show_shapes = show;
        self
    }

    /// Whether the types of the outputs are shown; false by default.
    #[must_use]
    pub fn show_dtype(mut self, show: bool) -> Self {
        self.show_dtype = show;
        self
    }

    /// Whether the names of the layers are shown beside their classes; false by default.
    #[must_use]
    pub fn show_layer_names(mut self, show: bool) -> Self {
        self.show_layer_names = show;
        self
    }

    /// Whether the activations are shown, of layers that have this argument; false by default.
    #[must_use]
    pub fn show_layer_activations(mut self, show: bool) -> Self {
        self.show_layer_activations = show;
        self
    }

    /// Whether it is shown if training changes a weight of the layer, of layers with weights; false
    /// by default.
    #[must_use]
    pub fn show_trainable(mut self, show: bool) -> Self {
        self.show_trainable = show;
        self
    }

    /// Whether nested models are drawn as frames around their layers; false by default: as one box.
    #[must_use]
    pub fn expand_nested(mut self, expand: bool) -> Self {
        self.expand_nested = expand;
        self
    }

    /// Where the graph goes: `"TB"`, from top to bottom, by default; `"BT"`, `"LR"` (from left to
    /// right) or `"RL"`.
    #[must_use]
    pub fn rankdir(mut self, rankdir: impl Into<String>) -> Self {
        self.rankdir = rankdir.into();
        self
    }

    /// The picture of a model as SVG.
    ///
    /// # Errors
    /// As [`plot_model`], but for the file.
    pub fn to_svg<N: Network>(&self, model: &mut Model<N>) -> Result<String, NnError> {
        let direction = Direction::of(&self.rankdir)?;
        let (name, outline, built) = model.outline("plot_model")?;
        let diagram = Diagram::new(self, name, &outline, &built.layers);
        Ok(draw::draw(&diagram, &layout::layout(&diagram, direction)?))
    }
}

/// Writes a picture of a model as SVG: a box for each layer, an arrow for each tensor that a layer
/// takes of another one. A layer that is called several times is one box.
///
/// ```no_run
/// use brolga_nn::prelude::*;
///
/// let mut model = Sequential::new();
/// model.add(Input::new([28, 28]));
/// model.add(Flatten::new());
/// model.add(Dense::new(10).activation("softmax"));
/// plot_model(&mut model, "model.svg", PlotModel::new().show_shapes(true).show_layer_names(true))?;
/// # Ok::<(), NnError>(())
/// ```
///
/// Keras: <https://keras.io/api/utils/model_plotting_utils/>, without `dpi`, which means nothing to
/// an SVG.
///
/// # Errors
/// If the model is not built, its layers do not fit together, `rankdir` is none of the four, or the
/// file cannot be written.
pub fn plot_model<N: Network>(
    model: &mut Model<N>,
    to_file: impl AsRef<Path>,
    options: PlotModel,
) -> Result<(), NnError> {
    svg::save(to_file.as_ref(), &options.to_svg(model)?)
}
