//! The commands, one file each.

mod assert;
mod bisect;
mod blame;
mod completions;
mod diff;
mod dump;
mod inspect;
mod log;
mod opt;
mod record;
mod reduce;
mod run;
mod show;
mod test;
mod verify;
mod why;

use clap::{CommandFactory, Subcommand};

use crate::error::CliError;
use crate::streams::Streams;
use crate::{Cli, Report};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Assert(assert::Assert),
    Bisect(bisect::Bisect),
    Blame(blame::Blame),
    Completions(completions::Completions),
    Diff(diff::Diff),
    Dump(dump::Dump),
    Inspect(inspect::Inspect),
    Log(log::Log),
    Manual(completions::Manual),
    Opt(opt::Opt),
    Record(record::RecordCommand),
    Reduce(reduce::Reduce),
    Run(run::Run),
    Show(show::Show),
    Test(test::Test),
    Verify(verify::Verify),
    WhyFused(why::WhyFused),
    WhyNotFused(why::WhyNotFused),
}

impl Command {
    /// The name of the schema of its document, with the version.
    pub(crate) fn schema(&self) -> &'static str {
        match self {
            Self::Assert(_) => "brolga.assert/1",
            Self::Bisect(_) => "brolga.bisect/1",
            Self::Blame(_) => "brolga.blame/1",
            Self::Completions(_) => "brolga.completions/1",
            Self::Diff(_) => "brolga.diff/1",
            Self::Dump(_) => "brolga.dump/1",
            Self::Inspect(_) => "brolga.inspect/1",
            Self::Log(_) => "brolga.log/1",
            Self::Manual(_) => "brolga.manual/1",
            Self::Opt(_) => "brolga.opt/1",
            Self::Record(_) => "brolga.record/1",
            Self::Reduce(_) => "brolga.reduce/1",
            Self::Run(_) => "brolga.run/1",
            Self::Show(_) => "brolga.show/1",
            Self::Test(_) => "brolga.test/1",
            Self::Verify(_) => "brolga.verify/1",
            Self::WhyFused(_) => "brolga.why-fused/1",
            Self::WhyNotFused(_) => "brolga.why-not-fused/1",
        }
    }

    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        match self {
            Self::Assert(command) => command.run(streams),
            Self::Bisect(command) => command.run(streams),
            Self::Blame(command) => command.run(streams),
            Self::Completions(command) => Ok(command.run(Cli::command())),
            Self::Diff(command) => command.run(streams),
            Self::Dump(command) => command.run(streams),
            Self::Inspect(command) => command.run(),
            Self::Log(command) => command.run(streams),
            Self::Manual(command) => command.run(Cli::command()),
            Self::Opt(command) => command.run(streams),
            Self::Record(command) => command.run(streams),
            Self::Reduce(command) => command.run(streams),
            Self::Run(command) => command.run(streams),
            Self::Show(command) => command.run(streams),
            Self::Test(command) => command.run(streams),
            Self::Verify(command) => command.run(streams),
            Self::WhyFused(command) => command.run(streams),
            Self::WhyNotFused(command) => command.run(streams),
        }
    }
}
