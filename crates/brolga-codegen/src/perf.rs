//! Names of machine code for the profiler `perf`.
//!
//! If the environment variable `BROLGA_PERF_MAP` is set, and not to nothing or 0, every program
//! that is linked adds its functions to `/tmp/perf-PID.map`, where `perf report` looks for the code
//! of process PID. A function is named by the layers and roles that it is for, and by its kernel or
//! tile: `conv2d.backward conv_grad_filter`. Names of programs that are dropped stay, since the
//! file only grows.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::object::ObjectFunction;

/// The environment variable.
pub const PERF_VARIABLE: &str = "BROLGA_PERF_MAP";

/// The most layers and roles in a name.
const PLACES: usize = 3;

/// Whether the environment asks for names. It is read once.
pub(crate) fn is_wanted() -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    let read =
        || std::env::var_os(PERF_VARIABLE).is_some_and(|word| !word.is_empty() && word != "0");
    *WANTED.get_or_init(read)
}

/// Adds functions at these addresses to the map of this process.
///
/// # Errors
/// [`Error::Host`] if the file cannot be written.
pub(crate) fn write_map<'a>(
    functions: impl Iterator<Item = (usize, &'a ObjectFunction)>,
) -> Result<()> {
    let path = format!("/tmp/perf-{}.map", std::process::id());
    let lines: String = functions.map(|(address, function)| line(address, function)).collect();
    let file = OpenOptions::new().create(true).append(true).open(&path);
    // One write, so that lines of several threads do not mix.
    file.and_then(|mut file| file.write_all(lines.as_bytes())).map_err(|error| {
        Error::Host(format!("{PERF_VARIABLE} is set, but `{path}` cannot be written: {error}"))
    })
}

/// A line of a map: address and size in hexadecimal, then the name.
fn line(address: usize, function: &ObjectFunction) -> String {
    let places = &function.places;
    let mut name = places[..places.len().min(PLACES)].join(",");
    if places.len() > PLACES {
        let _ = write!(name, ",+{}", places.len() - PLACES);
    }
    let separator = if name.is_empty() { "" } else { " " };
    format!("{address:x} {:x} {name}{separator}{}\n", function.code.bytes.len(), function.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::MachineCode;

    #[test]
    fn names_begin_with_layer_and_role() {
        let code = || MachineCode {
            bytes: vec![0; 32],
            alignment: 64,
            relocations: vec![],
            text: None,
            program: None,
        };
        let function = |places: &[&str]| ObjectFunction {
            name: "matmul_4x4".to_owned(),
            symbol: "matmul_4x4#0".to_owned(),
            arity: 4,
            clif: None,
            code: code(),
            reused: false,
            places: places.iter().map(|&place| place.to_owned()).collect(),
        };
        let lines = [
            line(0x7f00_0000, &function(&["conv2d.backward"])),
            line(0x7f00_0040, &function(&["a.forward", "b.forward", "c.forward", "d.forward"])),
            line(0x7f00_0080, &function(&[])),
        ];
        insta::assert_snapshot!(lines.concat(), @r"
        7f000000 20 conv2d.backward matmul_4x4
        7f000040 20 a.forward,b.forward,c.forward,+1 matmul_4x4
        7f000080 20 matmul_4x4
        ");
    }
}
