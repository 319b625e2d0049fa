//! The command `brolga`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut streams = brolga_cli::Streams {
        stdin: &mut stdin.lock(),
        stdout: &mut std::io::BufWriter::new(stdout.lock()),
        stderr: &mut stderr.lock(),
    };
    brolga_cli::run(std::env::args_os(), &mut streams).into()
}
