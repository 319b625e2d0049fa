//! `brolga completions` and `brolga manual`: what a shell and `man` know of the command.

use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::json;

use crate::Report;
use crate::error::CliError;

/// Print the script that lets a shell complete commands and options
#[derive(Debug, Args)]
#[command(after_help = "Example:
  brolga completions bash > /etc/bash_completion.d/brolga")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, mut command: Command) -> Report {
        let mut script = vec![];
        clap_complete::generate(self.shell, &mut command, "brolga", &mut script);
        let text = String::from_utf8_lossy(&script).into_owned();
        let json = json!({ "shell": self.shell.to_string(), "script": text });
        Report { text, json, holds: true }
    }
}

/// Print the manual page, of the command or of a subcommand
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga manual | man -l -
  brolga manual diff > brolga-diff.1")]
pub(crate) struct Manual {
    /// The subcommand
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

impl Manual {
    pub(crate) fn run(&self, mut command: Command) -> Result<Report, CliError> {
        command.build();
        let page = match &self.command {
            None => command,
            Some(name) => match command.find_subcommand(name) {
                Some(found) => found.clone(),
                None => {
                    let known: Vec<&str> =
                        command.get_subcommands().map(Command::get_name).collect();
                    let message = format!("there is no command `{name}`");
                    return Err(CliError::argument(
                        message,
                        format!("there are {}", known.join(", ")),
                    ));
                }
            },
        };
        let mut roff = vec![];
        clap_mangen::Man::new(page).render(&mut roff)?;
        let text = String::from_utf8_lossy(&roff).into_owned();
        Ok(Report { json: json!({ "roff": text }), text, holds: true })
    }
}
