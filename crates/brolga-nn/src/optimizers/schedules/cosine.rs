//! Half a wave of the cosine.

use brolga_ir::Var;

/// `(1 + cos πx) / 2` for x from 0 to 1, at most 10⁻⁷ off.
pub(super) fn half_wave(x: &Var) -> Var {
    // −sin(π·(x − ½)) by its series, whose next term is below 10⁻⁹.
    let angle = (x - 0.5) * std::f64::consts::PI;
    let square = &angle * &angle;
    let mut sum = square.constant_like(0.0);
    for term in (1..=6).rev() {
        let factorial = f64::from(2 * term) * f64::from(2 * term + 1);
        sum = (sum + 1.0) * &square * (-1.0 / factorial);
    }
    (1.0 - angle * (sum + 1.0)) * 0.5
}
