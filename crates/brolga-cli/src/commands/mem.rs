//! `brolga mem`: where the memory of a step goes.

use std::fmt::Write;

use brolga_codegen::{VectorIsa, compile_for};
use brolga_ir::{Graph, Role, Uid};
use brolga_nn::Kind;
use brolga_passes::{check_kernels, optimize};
use brolga_runtime::table::bytes;
use brolga_runtime::{MemoryReport, Options, Planned, StateLayout, ValueMemory};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::columns::{cut, table};
use crate::differentiate::Differentiate;
use crate::error::CliError;
use crate::stage::{GraphStage, graphs_at};
use crate::streams::Streams;
use crate::subject::{Loaded, Subject};

/// Columns of the chart.
const CHART: usize = 38;

/// Show the memory of a step: live ranges over time, offsets, the peak and what would lower it
///
/// Nothing is allocated or run: the plan is that of the program before it is linked.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga mem mnist_cnn --batch 256
  brolga mem mnist_cnn --svg memory.svg")]
pub(crate) struct Mem {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    differentiate: Differentiate,
    /// How many values the chart has, the largest
    #[arg(long, value_name = "N", default_value_t = 24)]
    top: usize,
    /// A file for the chart as a picture: time to the right, offsets upwards
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<String>,
    /// The number of threads, which have scratch memory [default: as many as the process may use]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The vector instruction set, which this machine need not have [default: the widest it has]
    #[arg(long, value_name = "scalar|128|avx2|avx512")]
    isa: Option<VectorIsa>,
}

/// A kernel of the step.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    pub(crate) name: String,
    pub(crate) node: Option<Uid>,
    pub(crate) layer: String,
    pub(crate) role: Role,
}

impl Kernel {
    fn place(&self) -> String {
        let layer = if self.layer.is_empty() { "-" } else { &self.layer };
        match self.role {
            Role::Forward => layer.to_owned(),
            role => format!("{layer} {}", role.name()),
        }
    }
}

/// The plan of a program's memory.
pub(crate) struct Memory {
    pub(crate) report: MemoryReport,
    pub(crate) kernels: Vec<Kernel>,
}

/// A way to a lower peak.
struct Remedy {
    value: usize,
    /// The bytes by which the peak would be lower.
    saved: usize,
}

impl Mem {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let mut loaded = self.subject.load(streams)?;
        let stage = GraphStage::of(&loaded, &self.differentiate);
        let options = self.options();
        // What another batch would take is known by planning it.
        let mut batches = vec![];
        if let Loaded::Program { model, kind, batch } = &mut loaded {
            for other in [*batch / 2, batch.saturating_mul(2)] {
                if other > 0 {
                    batches.push((other, plan(&model.trace(*kind, other)?, &options)?.report));
                }
            }
        }
        let is_training = matches!(loaded, Loaded::Program { kind: Kind::Train, .. });
        let graphs = graphs_at(loaded, stage, &self.differentiate)?;
        let (mut text, mut documents) = (String::new(), vec![]);
        for graph in &graphs {
            let memory = plan(graph, &options)?;
            text.push_str(&self.text(&memory, &batches, is_training));
            documents.push(memory.json());
            if let Some(path) = &self.svg {
                brolga_nn::files::replace(path.as_ref(), memory.svg().as_bytes())?;
                let _ = writeln!(text, "picture: {path}");
            }
        }
        let json = json!({ "graphs": documents });
        Ok(Report { text, json, holds: true })
    }

    fn options(&self) -> Options {
        let mut options = Options { isa: self.isa, ..Options::default() };
        options.threads = self.threads.unwrap_or(options.threads);
        options
    }

    fn text(
        &self,
        memory: &Memory,
        batches: &[(usize, MemoryReport)],
        is_training: bool,
    ) -> String {
        let Memory { report, kernels } = memory;
        let parts = [
            ("results", report.planned),
            ("inputs", report.inputs),
            ("constants", report.constants),
            ("scratch", report.scratch),
        ];
        let parts = parts.map(|(name, size)| format!("{name} {}", bytes(size))).join(", ");
        let mut text = format!(
            "{}: arena {}, states {}, together {}\n",
            report.graph,
            bytes(report.arena),
            bytes(report.states),
            bytes(report.total)
        );
        let _ = writeln!(text, "  {parts}");
        let _ = writeln!(
            text,
            "  the plan has {:.3} times the bytes that are live at its peak\n",
            report.planned_ratio()
        );
        text.push_str(&self.chart(memory));
        let (peak, most) = memory.peak();
        let Some(kernel) = kernels.get(peak) else { return text };
        let _ = writeln!(
            text,
            "\npeak: {} live in kernel {peak}, {} of {}",
            bytes(most),
            kernel.name,
            kernel.place()
        );
        let alive: Vec<Vec<String>> =
            memory.alive(peak).into_iter().map(|index| memory.row(index)).collect();
        let heading = ["made by", "layer", "what", "kernels", "bytes"];
        text.push_str(&table(3, &heading, &alive));
        text.push_str(&memory.remedies_text(peak));
        for (batch, other) in batches {
            let what = if is_training { "a batch" } else { "the program with a batch" };
            let _ = writeln!(text, "{what} of {batch} has an arena of {}", bytes(other.arena));
        }
        text
    }

    fn chart(&self, memory: &Memory) -> String {
        let Memory { report, kernels } = memory;
        let mut values: Vec<usize> = (0..report.values.len()).collect();
        values.sort_by_key(|&index| std::cmp::Reverse(report.values[index].bytes));
        values.truncate(self.top);
        values.sort_by_key(|&index| (report.values[index].first, report.values[index].offset));
        let columns = CHART.min(kernels.len().max(1));
        let column = |kernel: usize| kernel * columns / kernels.len().max(1);
        let row = |&index: &usize| {
            let value = &report.values[index];
            let (first, last) = (column(value.first), column(value.last.min(kernels.len() - 1)));
            let bar = |at: usize| if (first..=last).contains(&at) { '█' } else { '·' };
            vec![
                (0..columns).map(bar).collect(),
                cut(&memory.maker(index), 20),
                value.offset.to_string(),
                bytes(value.bytes),
            ]
        };
        let scale = match kernels.len() {
            0 | 1 => "0".to_owned(),
            count => {
                let last = (count - 1).to_string();
                format!("0{last:>width$}", width = columns.saturating_sub(1).max(last.len()))
            }
        };
        if values.is_empty() {
            return String::new();
        }
        let rows: Vec<Vec<String>> = values.iter().map(row).collect();
        table(2, &[&scale, "live range of", "offset", "bytes"], &rows)
    }
}

/// The plan of a graph on states of its own.
pub(crate) fn plan(graph: &Graph, options: &Options) -> Result<Memory, CliError> {
    let mut graph = graph.clone();
    if check_kernels(&graph).is_err() {
        optimize(&mut graph)?;
    }
    let layout = StateLayout::of_graphs([&graph])?;
    // The plan is not linked, so the machine need not have the instruction set.
    let planned = Planned::new(&graph, &layout, options, |graph, options| {
        compile_for(graph, options.isa()?.target()?)
    })?;
    let kernels = planned.plan().kernels().map(|kernel| Kernel {
        name: kernel.name.to_owned(),
        node: kernel.node,
        layer: kernel.layer.to_owned(),
        role: kernel.role,
    });
    Ok(Memory { kernels: kernels.collect(), report: planned.memory().clone() })
}

impl Memory {
    /// The bytes that are live in each kernel, values for which this is false left out.
    fn pressure(&self, counts: impl Fn(usize, usize) -> bool) -> Vec<usize> {
        let mut live = vec![0; self.kernels.len()];
        for (index, value) in self.report.values.iter().enumerate() {
            let last = value.last.min(self.kernels.len().saturating_sub(1));
            for (kernel, live) in live.iter_mut().enumerate().take(last + 1).skip(value.first) {
                if counts(index, kernel) {
                    *live += value.bytes;
                }
            }
        }
        live
    }

    /// The first kernel in which the most bytes are live, and how many.
    pub(crate) fn peak(&self) -> (usize, usize) {
        let live = self.pressure(|_, _| true);
        let most = live.iter().copied().max().unwrap_or(0);
        (live.iter().position(|&bytes| bytes == most).unwrap_or(0), most)
    }

    /// The values that are live in a kernel, the largest first.
    fn alive(&self, kernel: usize) -> Vec<usize> {
        let is_alive = |value: &ValueMemory| (value.first..=value.last).contains(&kernel);
        let values = self.report.values.iter().enumerate();
        let mut alive: Vec<usize> =
            values.filter(|(_, value)| is_alive(value)).map(|(index, _)| index).collect();
        alive.sort_by_key(|&index| std::cmp::Reverse(self.report.values[index].bytes));
        alive
    }

    /// The kernel that makes a value.
    fn maker(&self, index: usize) -> String {
        let value = &self.report.values[index];
        self.kernels.get(value.first).map(Kernel::place).unwrap_or_default()
    }

    fn row(&self, index: usize) -> Vec<String> {
        let value = &self.report.values[index];
        let kernel = self.kernels.get(value.first);
        let last = match value.last >= self.kernels.len() {
            true => "end".to_owned(),
            false => value.last.to_string(),
        };
        vec![
            cut(kernel.map_or("", |kernel| &kernel.name), 26),
            cut(&self.maker(index), 18),
            if value.workspace { "workspace" } else { "result" }.to_owned(),
            format!("{}..{last}", value.first),
            bytes(value.bytes),
        ]
    }

    /// What is live at the peak without being needed there, with what its recomputation would save.
    fn remedies(&self, peak: usize) -> Vec<Remedy> {
        let most = self.peak().1;
        let idle = |&index: &usize| {
            let value = &self.report.values[index];
            value.first < peak && peak < value.last
        };
        let remedy = |value: usize| {
            let ValueMemory { first, last, .. } = self.report.values[value];
            let kept = |index, kernel| index != value || kernel == first || kernel >= last;
            let lower = self.pressure(kept).into_iter().max().unwrap_or(0);
            Remedy { value, saved: most - lower }
        };
        let mut remedies: Vec<Remedy> =
            self.alive(peak).into_iter().filter(idle).map(remedy).collect();
        remedies.retain(|remedy| remedy.saved > 0);
        remedies.sort_by_key(|remedy| std::cmp::Reverse(remedy.saved));
        remedies
    }

    fn remedies_text(&self, peak: usize) -> String {
        let mut text = "what would lower it:\n".to_owned();
        let remedies = self.remedies(peak);
        for &Remedy { value, saved } in remedies.iter().take(3) {
            let ValueMemory { first, last, .. } = self.report.values[value];
            let user = self.kernels.get(last).map_or_else(|| "the end".to_owned(), Kernel::place);
            let (maker, user) = (cut(&self.maker(value), 13), cut(&user, 13));
            let _ = writeln!(
                text,
                "  {} less with {maker} (kernel {first}) recomputed for {user}",
                bytes(saved)
            );
        }
        if remedies.is_empty() {
            text.push_str("  no result alone that waits for a later kernel: smaller shapes only\n");
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let (peak, most) = self.peak();
        let kernel = |kernel: &Kernel| {
            json!({
                "name": kernel.name,
                "node": kernel.node.map(|node| node.to_string()),
                "layer": kernel.layer,
                "role": kernel.role,
            })
        };
        let remedy = |remedy: Remedy| json!({ "value": remedy.value, "bytes": remedy.saved });
        json!({
            "name": self.report.graph,
            "report": self.report,
            "kernels": self.kernels.iter().map(kernel).collect::<Vec<_>>(),
            "peak": { "kernel": peak, "bytes": most, "values": self.alive(peak) },
            "remedies": self.remedies(peak).into_iter().map(remedy).collect::<Vec<_>>(),
        })
    }

    /// The live ranges as a picture: time to the right, offsets upwards.
    pub(crate) fn svg(&self) -> String {
        use svg::node::element::{Group, Rectangle, Text, Title};
        const WIDTH: f64 = 960.0;
        const HEIGHT: f64 = 540.0;
        const LEFT: f64 = 80.0;
        const TOP: f64 = 30.0;
        let kernels = self.kernels.len().max(1) as f64;
        let arena = self.report.arena.max(1) as f64;
        let (x, y) =
            (|at: f64| LEFT + at / kernels * WIDTH, |at: f64| TOP + HEIGHT - at / arena * HEIGHT);
        let text = |x: f64, y: f64, content: String| {
            Text::new(content)
                .set("x", x)
                .set("y", y)
                .set("font-family", "sans-serif")
                .set("font-size", 12)
        };
        let mut document = svg::Document::new()
            .set("viewBox", (0, 0, (LEFT + WIDTH + 20.0) as i64, (TOP + HEIGHT + 40.0) as i64));
        document = document
            .add(Rectangle::new().set("width", "100%").set("height", "100%").set("fill", "white"));
        for (index, value) in self.report.values.iter().enumerate() {
            let last = (value.last.min(self.kernels.len().saturating_sub(1)) + 1) as f64;
            let role = self.kernels.get(value.first).map_or(Role::Forward, |kernel| kernel.role);
            let fill = match role {
                Role::Forward => "#a8d1f0",
                Role::Backward => "#f5cfa0",
                Role::Update => "#b5e0b5",
            };
            let height = value.bytes as f64 / arena * HEIGHT;
            let range = Rectangle::new()
                .set("x", x(value.first as f64))
                .set("y", y(value.offset as f64) - height)
                .set("width", x(last) - x(value.first as f64))
                .set("height", height)
                .set("fill", fill)
                .set("stroke", "#555")
                .set("stroke-width", 0.5);
            let name = self.kernels.get(value.first).map_or("", |kernel| &kernel.name);
            let title = format!("{name} of {}, {}", self.maker(index), bytes(value.bytes));
            document = document.add(Group::new().add(Title::new(title)).add(range));
            if height > 14.0 && x(last) - x(value.first as f64) > 90.0 {
                let at = (x(value.first as f64) + 4.0, y(value.offset as f64) - height / 2.0 + 4.0);
                document = document.add(text(at.0, at.1, cut(&self.maker(index), 22)));
            }
        }
        let (peak, _) = self.peak();
        document = document
            .add(
                Rectangle::new()
                    .set("x", x(peak as f64))
                    .set("y", TOP)
                    .set("width", x(1.0) - x(0.0))
                    .set("height", HEIGHT)
                    .set("fill", "none")
                    .set("stroke", "#c00")
                    .set("stroke-dasharray", "4 3"),
            )
            .add(text(
                LEFT,
                TOP - 10.0,
                format!(
                    "{}: arena of {}, the peak is dashed",
                    self.report.graph,
                    bytes(self.report.arena)
                ),
            ))
            .add(text(LEFT, TOP + HEIGHT + 18.0, "kernels in the order of the step".to_owned()))
            .add(text(4.0, TOP + 10.0, bytes(self.report.arena)))
            .add(text(4.0, TOP + HEIGHT, "0 B".to_owned()));
        format!("{document}\n")
    }
}
