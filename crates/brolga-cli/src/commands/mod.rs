//! The commands, one file each.

mod asm;
mod assert;
mod bisect;
mod blame;
mod compare;
mod completions;
mod convert;
mod cost;
mod diff;
mod dump;
mod gradcheck;
mod inspect;
mod log;
mod machine;
mod mem;
mod opt;
mod profile;
mod record;
mod reduce;
mod run;
mod show;
mod test;
mod values;
mod verify;
mod view;
mod why;

use clap::{CommandFactory, Subcommand};

use crate::error::CliError;
use crate::streams::Streams;
use crate::{Cli, Report};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Asm(asm::Asm),
    Assert(assert::Assert),
    Bisect(bisect::Bisect),
    Blame(blame::Blame),
    Compare(compare::Compare),
    Completions(completions::Completions),
    Convert(convert::Convert),
    Cost(cost::Cost),
    Diff(diff::Diff),
    Dump(dump::Dump),
    #[command(name = "gradcheck")]
    GradCheck(gradcheck::GradCheck),
    Inspect(inspect::Inspect),
    Log(log::Log),
    Machine(machine::Machine),
    Manual(completions::Manual),
    Mem(mem::Mem),
    Opt(opt::Opt),
    Profile(profile::Profile),
    Record(record::RecordCommand),
    Reduce(reduce::Reduce),
    Run(run::Run),
    Show(show::Show),
    Test(test::Test),
    Values(values::Values),
    Verify(verify::Verify),
    View(view::View),
    WhyFused(why::WhyFused),
    WhyNotFused(why::WhyNotFused),
}

impl Command {
    /// The name of the schema of its document, with the version.
    pub(crate) fn schema(&self) -> &'static str {
        match self {
            Self::Asm(_) => "brolga.asm/1",
            Self::Assert(_) => "brolga.assert/1",
            Self::Bisect(_) => "brolga.bisect/1",
            Self::Blame(_) => "brolga.blame/1",
            Self::Compare(_) => "brolga.compare/1",
            Self::Completions(_) => "brolga.completions/1",
            Self::Convert(_) => "brolga.convert/1",
            Self::Cost(_) => "brolga.cost/1",
            Self::Diff(_) => "brolga.diff/1",
            Self::Dump(_) => "brolga.dump/1",
            Self::GradCheck(_) => "brolga.gradcheck/1",
            Self::Inspect(_) => "brolga.inspect/1",
            Self::Log(_) => "brolga.log/1",
            Self::Machine(_) => "brolga.machine/1",
            Self::Manual(_) => "brolga.manual/1",
            Self::Mem(_) => "brolga.mem/1",
            Self::Opt(_) => "brolga.opt/1",
            Self::Profile(_) => "brolga.profile/1",
            Self::Record(_) => "brolga.record/1",
            Self::Reduce(_) => "brolga.reduce/1",
            Self::Run(_) => "brolga.run/1",
            Self::Show(_) => "brolga.show/1",
            Self::Test(_) => "brolga.test/1",
            Self::Values(_) => values::SCHEMA,
            Self::Verify(_) => "brolga.verify/1",
            Self::View(_) => "brolga.view/1",
            Self::WhyFused(_) => "brolga.why-fused/1",
            Self::WhyNotFused(_) => "brolga.why-not-fused/1",
        }
    }

    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        match self {
            Self::Asm(command) => command.run(streams),
            Self::Assert(command) => command.run(streams),
            Self::Bisect(command) => command.run(streams),
            Self::Blame(command) => command.run(streams),
            Self::Compare(command) => command.run(streams),
            Self::Completions(command) => Ok(command.run(Cli::command())),
            Self::Convert(command) => command.run(),
            Self::Cost(command) => command.run(streams),
            Self::Diff(command) => command.run(streams),
            Self::Dump(command) => command.run(streams),
            Self::GradCheck(command) => command.run(streams),
            Self::Inspect(command) => command.run(),
            Self::Log(command) => command.run(streams),
            Self::Machine(command) => command.run(),
            Self::Manual(command) => command.run(Cli::command()),
            Self::Mem(command) => command.run(streams),
            Self::Opt(command) => command.run(streams),
            Self::Profile(command) => command.run(streams),
            Self::Record(command) => command.run(streams),
            Self::Reduce(command) => command.run(streams),
            Self::Run(command) => command.run(streams),
            Self::Show(command) => command.run(streams),
            Self::Test(command) => command.run(streams),
            Self::Values(command) => command.run(streams),
            Self::Verify(command) => command.run(streams),
            Self::View(command) => command.run(streams),
            Self::WhyFused(command) => command.run(streams),
            Self::WhyNotFused(command) => command.run(streams),
        }
    }
}
