//! The tests of passes that are text files. `brolga test crates/brolga-passes/tests/files` runs
//! them too.

use std::fs;
use std::path::Path;

use brolga_passes::filetest::{FileTest, TestError};

fn test(text: &str, file: &str) -> Result<(), TestError> {
    let test = FileTest::parse(text, file)?;
    test.compare(&test.run()?)
}

#[test]
fn passes_do_what_the_files_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let (mut count, mut failures) = (0, Vec::new());
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("the directory can be read").path();
        let text = fs::read_to_string(&path).expect("the file can be read");
        count += 1;
        failures.extend(test(&text, &path.display().to_string()).err());
    }
    let messages: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", messages.join("\n\n"));
    assert!(count >= 12, "the files are there");
}
