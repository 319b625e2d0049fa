//! Bounds on gradients.

use brolga_ir::Var;

use super::Common;

/// The gradients within the bounds asked for: by the norm of each, of all together, or by value; the first that is set.
pub(super) fn clip(common: &Common, gradients: &[Var]) -> Vec<Var> {
    let each = |f: &dyn Fn(&Var) -> Var| gradients.iter().map(f).collect();
    if let Some(bound) = common.clipnorm {
        each(&|g| g * bound / norm(g).maximum(&g.constant_like(bound)))
    } else if let Some(bound) = common.global_clipnorm {
        let squares = gradients.iter().map(square_sum).reduce(|a, b| a + b);
        let Some(norm) = squares.map(|sum| sum.sqrt()) else { return vec![] };
        let scale = norm.constant_like(bound) / norm.maximum(&norm.constant_like(bound));
        each(&|g| g * &scale)
    } else if let Some(bound) = common.clipvalue {
        each(&|g| g.maximum(&g.constant_like(-bound)).minimum(&g.constant_like(bound)))
    } else {
        gradients.to_vec()
    }
}

fn square_sum(x: &Var) -> Var {
    (x * x).reduce_sum(&(0..x.shape().rank()).collect::<Vec<_>>(), false)
}

fn norm(x: &Var) -> Var {
    square_sum(x).sqrt()
}
