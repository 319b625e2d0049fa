//! Steps on a machine that is not theirs alone: beside a process that keeps a core busy, with more
//! threads than cores, under quotas of CPU time.
//!
//!     cargo bench --bench busy -- [--rounds 7] [--seconds 1.0]
//!
//! Quotas need a control group (version 1 or 2) in which this process may make another: root, or a
//! delegated subtree.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::error::Error;
use std::fs;
use std::hint::spin_loop;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};

use brolga::codegen::compile;
use brolga::nn::{Kind, builtin};
use brolga::passes;
use brolga::prelude::*;
use brolga::runtime::{Executable, Options, State, StateLayout};
use clap::{Parser, ValueEnum};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Quotas, in cores.
const QUOTAS: [f64; 3] = [0.5, 1.0, 1.5];
/// Microseconds in which a quota may be used up, the system's default.
const PERIOD: u32 = 100_000;
/// How long a process may take to begin, or a clock to settle.
const SETTLE: Duration = Duration::from_millis(200);

/// Steps on a busy machine.
#[derive(Parser)]
struct Args {
    /// Rounds, each with a measurement of both that are compared.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Keeps a core busy, and does nothing else.
    #[arg(long, hide = true)]
    spin: bool,
    /// Measures this alone, and prints the seconds of a step.
    #[arg(long, hide = true)]
    case: Option<Case>,
    /// The threads of that case.
    #[arg(long, hide = true, default_value_t = 2)]
    threads: usize,
    /// The control group that it enters before.
    #[arg(long, hide = true)]
    group: Option<PathBuf>,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Case {
    /// A training step of the first model, batch 32.
    Train,
    /// A prediction of the first model, one image.
    Predict,
    /// A training step of a model of two small layers, batch 8.
    Tiny,
}

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Train => "train mnist_cnn batch 32",
            Self::Predict => "predict mnist_cnn batch 1",
            Self::Tiny => "train tiny batch 8",
        }
    }
}

/// A program made ready, and what it runs on.
struct Program {
    executable: Executable,
    state: State,
}

impl Program {
    fn new(case: Case, threads: usize) -> Result<Self> {
        let (mut model, kind, batch) = match case {
            Case::Train => (builtin::by_name("mnist_cnn")?, Kind::Train, 32),
            Case::Predict => (builtin::by_name("mnist_cnn")?, Kind::Predict, 1),
            Case::Tiny => (tiny()?, Kind::Train, 8),
        };
        let mut graph = model.trace(kind, batch)?;
        passes::optimize(&mut graph)?;
        let layout = StateLayout::of_graphs([&graph])?;
        let options = Options { threads, ..Options::default() };
        let executable = Executable::new(&graph, &layout, &options, compile)?;
        Ok(Self { executable, state: State::zeros(&layout)? })
    }

    /// Seconds of a step, the mean over so many seconds.
    fn measure(&mut self, seconds: f64) -> Result<f64> {
        let (mut steps, start) = (0_u32, Instant::now());
        while start.elapsed().as_secs_f64() < seconds {
            for _ in 0..8 {
                self.executable.run(&mut self.state)?;
            }
            steps += 8;
        }
        Ok(start.elapsed().as_secs_f64() / f64::from(steps))
    }
}

fn tiny() -> Result<Sequential> {
    let mut model = Sequential::new();
    model.add(Input::new([16]));
    model.add(Dense::new(16).activation("relu"));
    model.add(Dense::new(4).activation("softmax"));
    model.compile(Compile::new().loss("sparse_categorical_crossentropy"))?;
    Ok(model)
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.spin {
        loop {
            spin_loop();
        }
    }
    if let Some(case) = args.case {
        if let Some(group) = &args.group {
            fs::write(group.join("cgroup.procs"), std::process::id().to_string())?;
        }
        let mut program = Program::new(case, args.threads)?;
        program.measure(SETTLE.as_secs_f64())?;
        println!("{}", program.measure(args.seconds)?);
        return Ok(());
    }
    let cores = available_parallelism().map_or(1, usize::from);
    println!("{cores} cores; medians of {} rounds of {} s", args.rounds, args.seconds);
    beside_another(&args, cores)?;
    oversubscribed(&args, cores)?;
    under_quotas(&args, cores)
}

/// Alone, and beside a process that keeps one core busy.
fn beside_another(args: &Args, cores: usize) -> Result<()> {
    println!(
        "\nbeside a busy process; the fair share is {:.2}",
        (cores as f64 + 1.0) / cores as f64
    );
    for case in [Case::Train, Case::Predict] {
        let mut program = Program::new(case, cores)?;
        program.measure(SETTLE.as_secs_f64())?;
        compare(case.name(), "alone", "beside", args.rounds, |beside| {
            let _other = if beside { Some(Spinner::new()?) } else { None };
            sleep(SETTLE);
            program.measure(args.seconds)
        })?;
    }
    Ok(())
}

/// With as many threads as cores, and with many more.
fn oversubscribed(args: &Args, cores: usize) -> Result<()> {
    println!("\n64 threads beside {cores}");
    for case in [Case::Tiny, Case::Train, Case::Predict] {
        let mut programs = [Program::new(case, cores)?, Program::new(case, 64)?];
        for program in &mut programs {
            program.measure(SETTLE.as_secs_f64())?;
        }
        compare(case.name(), "few", "many", args.rounds, |many| {
            programs[usize::from(many)].measure(args.seconds)
        })?;
    }
    Ok(())
}

/// Under quotas, beside what is fair: the time that the same threads take alone, by the part of
/// their cores that the quota is.
fn under_quotas(args: &Args, cores: usize) -> Result<()> {
    println!("\nunder quotas of CPU time, beside the fair share");
    let group = match Group::new() {
        Ok(group) => group,
        Err(error) => {
            println!("not measured: no control group can be made here ({error})");
            return Ok(());
        }
    };
    for quota in QUOTAS.into_iter().filter(|&quota| quota < cores as f64) {
        group.set(quota)?;
        for threads in [2, 8] {
            for case in [Case::Train, Case::Predict] {
                let used = threads.min(cores) as f64;
                let share = used / quota.min(used);
                let name = format!("{} on {threads} threads, {quota} cores", case.name());
                compare(&name, "fair", "quota", args.rounds, |quota| {
                    let group = quota.then_some(&*group.path);
                    let time = child(case, threads, args.seconds, group)?;
                    Ok(if quota { time } else { time * share })
                })?;
            }
        }
    }
    Ok(())
}

/// Measures two in turns, and prints the medians of both and of their ratios.
fn compare(
    name: &str,
    first: &str,
    second: &str,
    rounds: usize,
    mut measure: impl FnMut(bool) -> Result<f64>,
) -> Result<()> {
    let mut rows = [vec![], vec![], vec![]];
    for _ in 0..rounds.max(1) {
        let (one, other) = (measure(false)?, measure(true)?);
        for (row, value) in rows.iter_mut().zip([one, other, other / one]) {
            row.push(value);
        }
    }
    let [one, other, ratio] = rows.map(median);
    println!(
        "{name:50} {first} {:9.1} µs, {second} {:9.1} µs, ratio {ratio:.2}",
        1e6 * one,
        1e6 * other
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds of a step in a process of its own.
fn child(case: Case, threads: usize, seconds: f64, group: Option<&Path>) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    let case = case.to_possible_value().ok_or("every case has a name")?;
    command.args(["--case", case.get_name(), "--threads", &threads.to_string()]);
    command.args(["--seconds", &seconds.to_string()]);
    if let Some(group) = group {
        command.arg("--group").arg(group);
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// A process that keeps a core busy as long as this lives.
struct Spinner(Child);

impl Spinner {
    fn new() -> Result<Self> {
        Ok(Self(Command::new(std::env::current_exe()?).arg("--spin").spawn()?))
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A control group made for this run.
struct Group {
    path: PathBuf,
    /// Version 2 has one hierarchy for all controllers, and other names.
    is_v2: bool,
}

impl Group {
    /// One below that of this process, in the first hierarchy that has quotas of CPU time.
    fn new() -> Result<Self> {
        let name = format!("brolga-busy-{}", std::process::id());
        for (is_v2, root) in hierarchies()? {
            let path = root.join(&name);
            let quota = path.join(if is_v2 { "cpu.max" } else { "cpu.cfs_quota_us" });
            if fs::create_dir(&path).is_ok() {
                let group = Self { path, is_v2 };
                if quota.exists() {
                    return Ok(group);
                }
            }
        }
        Err("no hierarchy with the controller `cpu` is writable".into())
    }

    fn set(&self, cores: f64) -> Result<()> {
        let quota = (cores * f64::from(PERIOD)) as u32;
        if self.is_v2 {
            fs::write(self.path.join("cpu.max"), format!("{quota} {PERIOD}"))?;
        } else {
            fs::write(self.path.join("cpu.cfs_period_us"), PERIOD.to_string())?;
            fs::write(self.path.join("cpu.cfs_quota_us"), quota.to_string())?;
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It stays if a process is still in it, which none is.
        let _ = fs::remove_dir(&self.path);
    }
}

/// Where this process is in the hierarchies of control groups that may have quotas of CPU time, and
/// whether they are of version 2.
fn hierarchies() -> Result<Vec<(bool, PathBuf)>> {
    let own = fs::read_to_string("/proc/self/cgroup")?;
    // A line is `number:controllers:path`; version 2 has no controllers there.
    let place = |of: &dyn Fn(&str) -> bool| {
        let fields = own.lines().map(|line| line.splitn(3, ':').skip(1).collect::<Vec<_>>());
        let mut places = fields.filter_map(|fields| match fields[..] {
            [controllers, path] => Some((controllers.to_owned(), path.to_owned())),
            _ => None,
        });
        places.find(|(controllers, _)| of(controllers)).map(|(_, path)| path)
    };
    let v1 = place(&|controllers| controllers.split(',').any(|name| name == "cpu"));
    let v2 = place(&str::is_empty);
    let mut found = vec![];
    for line in fs::read_to_string("/proc/self/mounts")?.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, point, kind, options, ..] = fields[..] else { continue };
        let below = |path: &str| Path::new(point).join(path.trim_start_matches('/'));
        match (kind, &v1, &v2) {
            ("cgroup", Some(path), _) if options.split(',').any(|name| name == "cpu") => {
                found.push((false, below(path)));
            }
            ("cgroup2", _, Some(path)) => found.push((true, below(path))),
            _ => {}
        }
    }
    Ok(found)
}
