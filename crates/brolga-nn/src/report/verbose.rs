//! How much is shown while a model works.

/// How much `fit`, `evaluate` and `predict` show: Keras's `verbose`. `0`, `1`, `2`, `"auto"` and
/// `false`, `true` are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbose {
    /// A bar where the output is a terminal, a line for each epoch elsewhere.
    #[default]
    Auto,
    /// `0`: nothing.
    Silent,
    /// `1`: a bar. Where the output is no terminal, it is shown once, when it is complete.
    Bar,
    /// `2` and above: a line for each epoch.
    Line,
}

impl Verbose {
    /// The form that fits the output.
    pub(crate) fn view(self, terminal: bool) -> View {
        match (self, terminal) {
            (Self::Silent, _) => View::Silent,
            (Self::Auto | Self::Bar, true) => View::LiveBar,
            (Self::Bar, false) => View::Bar,
            (Self::Auto, false) | (Self::Line, _) => View::Line,
        }
    }
}

/// The output of a pass over the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Nothing.
    Silent,
    /// A bar that grows.
    LiveBar,
    /// A complete bar at the end.
    Bar,
    /// A line without a bar at the end.
    Line,
}

impl From<i32> for Verbose {
    fn from(level: i32) -> Self {
        match level {
            ..=0 => Self::Silent,
            1 => Self::Bar,
            2.. => Self::Line,
        }
    }
}

impl From<bool> for Verbose {
    fn from(shown: bool) -> Self {
        if shown { Self::Auto } else { Self::Silent }
    }
}
