//! Why a model is not written as ONNX.

use std::path::PathBuf;

use brolga_ir::Mistake;
use brolga_nn::NnError;

/// Why a model is not written as ONNX. The fault of the model or of what the caller asks for.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The model is not built, has layers that do not fit together, or the file cannot be written.
    #[error(transparent)]
    Model(#[from] NnError),
    /// An option that cannot be.
    #[error("{0}")]
    Option(Mistake),
    /// Something follows the batch in a way that a file with an open batch cannot say.
    #[error("the model cannot be written with an open batch: {0}")]
    Batch(Mistake),
    /// Ops that ONNX has no form for, all of them.
    #[error(
        "ONNX has no form for ops of the model:{}\n  help: {}",
        lines(.0),
        "compute it in inference by other ops, or leave the layer out of what is saved"
    )]
    Ops(Vec<UnknownForm>),
    /// The file's name or its folder.
    #[error("{}: {mistake}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        mistake: Mistake,
    },
}

/// An op that ONNX has no form for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownForm {
    /// The op of the IR.
    pub op: String,
    /// The layer that has it; empty if it belongs to none.
    pub layer: String,
}

fn lines(forms: &[UnknownForm]) -> String {
    let line = |form: &UnknownForm| match form.layer.as_str() {
        "" => format!("\n  {}", form.op),
        layer => format!("\n  {} of layer `{layer}`", form.op),
    };
    forms.iter().map(line).collect()
}
