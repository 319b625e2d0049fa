//! Pictures, as SVG: models, curves of trainings, confusion matrices, images with predictions.
//!
//! | | shows | in Python |
//! |---|---|---|
//! | [`plot_model`] | the layers of a model and what connects them | Keras's `plot_model` |
//! | [`History::plot`](crate::History::plot) | loss and metrics by epoch | `plt.plot` |
//! | [`ConfusionMatrix`] | which classes are taken for which | scikit-learn's `confusion_matrix` |
//! | [`ImageGrid`] | images with predictions | `plt.imshow` in `plt.subplots` |
//!
//! All are drawn without a browser and without fonts. Their texts are text, and everything that is
//! told by colour is told in another way too. Files are replaced as a whole: a crash leaves the old
//! one or the new one.

mod classes;
mod confusion_matrix;
mod curves;
mod image_grid;
mod model;
mod svg;

pub use confusion_matrix::{ClassScores, ConfusionMatrix};
pub use curves::Curves;
pub use image_grid::ImageGrid;
pub use model::{PlotModel, plot_model};
