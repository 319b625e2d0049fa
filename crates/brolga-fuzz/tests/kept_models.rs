//! Models that the fuzzer begins with, and those that once failed: each is read or refused.

use std::fs;
use std::path::Path;

use brolga_fuzz::readers::read_model;

#[test]
fn models_that_are_kept_do_not_fail() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx");
    let mut count = 0;
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("the directory can be read").path();
        let bytes = fs::read(&path).expect("the file can be read");
        // Truncated at each of some places, too.
        for length in (0..8).map(|eighth| bytes.len() * eighth / 8).chain([bytes.len()]) {
            count += 1;
            read_model(bytes[..length].to_vec())
                .unwrap_or_else(|failure| panic!("{}, {length}: {failure}", path.display()));
        }
    }
    assert!(count > 0, "there are kept models");
}
