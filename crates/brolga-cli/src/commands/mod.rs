//! The commands, one file each.

mod convert;
mod dump;
mod inspect;
mod opt;
mod run;
mod test;
mod verify;

use clap::Subcommand;

use crate::Report;
use crate::error::CliError;
use crate::streams::Streams;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Convert(convert::Convert),
    Dump(dump::Dump),
    Inspect(inspect::Inspect),
    Opt(opt::Opt),
    Run(run::Run),
    Test(test::Test),
    Verify(verify::Verify),
}

impl Command {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        match self {
            Self::Convert(command) => command.run(),
            Self::Dump(command) => command.run(streams),
            Self::Inspect(command) => command.run(),
            Self::Opt(command) => command.run(streams),
            Self::Run(command) => command.run(streams),
            Self::Test(command) => command.run(streams),
            Self::Verify(command) => command.run(streams),
        }
    }
}
