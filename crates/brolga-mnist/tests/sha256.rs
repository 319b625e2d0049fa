//! The uncompressed files are those of the original data set, byte for byte.

use brolga_mnist::Part;
use sha2::{Digest, Sha256};

fn expected(part: Part) -> &'static str {
    match part {
        Part::TrainImages => "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        Part::TrainLabels => "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        Part::TestImages => "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        Part::TestLabels => "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }
}

#[test]
fn sha256_of_the_uncompressed_files() {
    for part in Part::ALL {
        let bytes = part.bytes().expect("the data in the crate is whole");
        let digest: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(digest, expected(part), "{}", part.file_name());
        assert_eq!(bytes.len(), part.size(), "{}", part.file_name());
        assert_eq!(bytes.capacity(), part.size(), "{}", part.file_name());
    }
}

#[test]
fn the_compressed_files_stay_below_ten_megabytes() {
    let total: usize = Part::ALL.iter().map(|part| part.compressed().len()).sum();
    assert!(total < 10_000_000, "{total} bytes");
}
