//! How fast programs are on this machine, beside what the machine can do.
//!
//! [`train_step`] measures the training step of a model, [`kernels`] each kernel of some programs,
//! [`tile_shapes`] the tiles of contractions. All compare with limits that are measured in the same
//! run, in turns with what is judged: [`Limits`] says what they are.

mod kernels;
mod step;
mod tiles;

use std::error::Error;

use brolga_ir::{Data, Tensor, Type};
use brolga_measure::median;
use brolga_runtime::{Executable, State, StateLayout};

pub use brolga_measure::{LevelLimits, Limits, Meter, Roof, Work, limit};
pub use kernels::{Case, KernelTime, KernelTimes, kernels};
pub use step::{IsaLimit, StepReport, train_step};
pub use tiles::{Choice, TileTime, TileTimes, tile_shapes};

/// The most memory this process has had so far, in bytes; `None` where the system does not tell.
pub fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Sets the inputs of a program to made-up numbers, and makes a state of such numbers.
fn fill(executable: &mut Executable, layout: &StateLayout) -> Result<State, Box<dyn Error>> {
    let inputs: Vec<(String, Type)> =
        executable.inputs().map(|(name, ty)| (name.to_owned(), ty.clone())).collect();
    for (name, ty) in &inputs {
        executable.set_input(name.as_str(), &numbers(ty))?;
    }
    let mut state = State::zeros(layout)?;
    for (name, ty) in layout.iter() {
        state.set(name, &numbers(ty))?;
    }
    Ok(state)
}

/// Small numbers of both signs; integers from 0 to 7.
fn numbers(ty: &Type) -> Tensor {
    let mut state = 1_u64;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let unit = (state >> 40) as f64 / f64::from(1 << 24);
        if ty.dtype.is_float() { (unit - 0.4) * 0.05 } else { (unit * 8.0).floor() }
    };
    let values: Vec<f64> = std::iter::repeat_with(next).take(ty.shape.elements()).collect();
    let data = Data::from_f64(ty.dtype, &values);
    Tensor::new(ty.shape.clone(), data).unwrap_or_else(|| Tensor::zeros(ty))
}
