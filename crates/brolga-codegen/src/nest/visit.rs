//! A walk over the addresses and numbers of a nest.

use super::{Affine, Arg, Nest, Step};

impl Nest {
    /// Calls `f` with every address and number.
    pub fn visit(&mut self, f: &mut dyn FnMut(&mut Affine)) {
        steps(&mut self.body, f);
    }
}

fn steps(body: &mut [Step], f: &mut dyn FnMut(&mut Affine)) {
    for step in body {
        match step {
            Step::Loop { from, to, body, .. } => {
                f(from);
                f(to);
                steps(body, f);
            }
            Step::Divide { number, .. } => f(number),
            Step::Read { address, .. } => f(address),
            Step::When { number, then, otherwise, .. } => {
                f(number);
                steps(then, f);
                steps(otherwise, f);
            }
            Step::Call { args, .. } => {
                for arg in args {
                    let (Arg::Affine(affine) | Arg::Min(affine, _)) = arg;
                    f(affine);
                }
            }
        }
    }
}
