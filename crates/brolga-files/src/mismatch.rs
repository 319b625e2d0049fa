//! Weights of a file that do not fit a model.

use std::fmt;

use brolga_ir::spelling::nearest;

/// Weights of a file that do not fit a model, as a table: path in the file, what is there, weight of the
/// model, nearest match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatches {
    /// The rows, in the order of the model's weights, then of the file.
    pub rows: Vec<Mismatch>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The path in the file where the weight is looked for, or that of a tensor which no weight takes.
    pub path: String,
    /// What is there; `None`: nothing.
    pub found: Option<String>,
    /// The weight of the model and its type; `None`: no weight takes the tensor.
    pub weight: Option<(String, String)>,
    /// The path in the file that comes nearest.
    pub nearest: Option<String>,
}

impl Mismatches {
    /// Finds the nearest match of each weight among tensors that no weight takes: one of the same
    /// type, or else of nearly the same path.
    pub(crate) fn match_up(&mut self, unused: &[(String, String)]) {
        for row in &mut self.rows {
            let Some((_, ty)) = &row.weight else { continue };
            let of_shape = |(_, found): &&(String, String)| shape_of(found) == shape_of(ty);
            let same: Vec<&str> =
                unused.iter().filter(of_shape).map(|(path, _)| path.as_str()).collect();
            let near = nearest(&row.path, same.iter().copied());
            let only = (same.len() == 1).then(|| same[0]);
            let any = || nearest(&row.path, unused.iter().map(|(path, _)| path.as_str()));
            row.nearest = near.or(only).or_else(any).map(str::to_owned);
        }
    }
}

/// The extents of a type: `[3,4]` of `float32[3,4]`.
fn shape_of(ty: &str) -> &str {
    ty.find('[').map_or("", |at| &ty[at..])
}

/// The most rows that are shown.
const SHOWN: usize = 20;

impl fmt::Display for Mismatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (missing, foreign): (Vec<_>, Vec<_>) =
            self.rows.iter().partition(|row| row.weight.is_some());
        write!(f, "{} weights of the model do not fit", missing.len())?;
        if !foreign.is_empty() {
            write!(f, ", {} tensors of the file belong to no weight", foreign.len())?;
        }
        let cells = |row: &Mismatch| {
            let (weight, ty) = row.weight.clone().unwrap_or_else(|| ("-".into(), String::new()));
            let weight = if ty.is_empty() { weight } else { format!("{weight}: {ty}") };
            let found = row.found.clone().unwrap_or_else(|| "nothing".to_owned());
            [row.path.clone(), found, weight, row.nearest.clone().unwrap_or_else(|| "-".into())]
        };
        let head = ["in the file", "is", "weight of the model", "nearest match"].map(str::to_owned);
        let shown = missing.iter().chain(&foreign).take(SHOWN).map(|row| cells(row));
        let lines: Vec<[String; 4]> = std::iter::once(head).chain(shown).collect();
        let width = |column: usize| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        };
        let widths = [0, 1, 2].map(width);
        for [path, found, weight, near] in &lines {
            write!(
                f,
                "\n  {path:0$}  {found:1$}  {weight:2$}  {near}",
                widths[0], widths[1], widths[2]
            )?;
        }
        if self.rows.len() > SHOWN {
            write!(f, "\n  and {} more", self.rows.len() - SHOWN)?;
        }
        f.write_str(
            "\n  help: load a file of the same layers, or what fits: by_name, skip_mismatch",
        )
    }
}
