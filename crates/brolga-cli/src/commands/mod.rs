//! The commands, one file each.

mod asm;
mod compare;
mod cost;
mod dump;
mod gradcheck;
mod inspect;
mod machine;
mod mem;
mod opt;
mod profile;
mod run;
mod test;
mod values;
mod verify;
mod view;

use clap::Subcommand;

use crate::Report;
use crate::error::CliError;
use crate::streams::Streams;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Asm(asm::Asm),
    Compare(compare::Compare),
    Cost(cost::Cost),
    Dump(dump::Dump),
    #[command(name = "gradcheck")]
    GradCheck(gradcheck::GradCheck),
    Inspect(inspect::Inspect),
    Machine(machine::Machine),
    Mem(mem::Mem),
    Opt(opt::Opt),
    Profile(profile::Profile),
    Run(run::Run),
    Test(test::Test),
    Values(values::Values),
    Verify(verify::Verify),
    View(view::View),
}

impl Command {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        match self {
            Self::Asm(command) => command.run(streams),
            Self::Compare(command) => command.run(streams),
            Self::Cost(command) => command.run(streams),
            Self::Dump(command) => command.run(streams),
            Self::GradCheck(command) => command.run(streams),
            Self::Inspect(command) => command.run(),
            Self::Machine(command) => command.run(),
            Self::Mem(command) => command.run(streams),
            Self::Opt(command) => command.run(streams),
            Self::Profile(command) => command.run(streams),
            Self::Run(command) => command.run(streams),
            Self::Test(command) => command.run(streams),
            Self::Values(command) => command.run(streams),
            Self::Verify(command) => command.run(streams),
            Self::View(command) => command.run(streams),
        }
    }
}
