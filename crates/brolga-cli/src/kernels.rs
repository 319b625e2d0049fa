//! Kernels in their readable forms: loop nests with tile programs, CLIF, machine code.

use std::fmt::Write;

use brolga_codegen::{CodegenOptions, KernelText, VectorIsa};
use brolga_ir::ops::Kernel;
use brolga_ir::text::Names;
use brolga_ir::{Graph, Op};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::filter::Filter;
use crate::view::{results_json, value_json};

/// A form of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Nests,
    Clif,
    Assembly,
}

/// A kernel node, and its forms.
struct Entry<'a> {
    kernel: &'a Kernel,
    text: KernelText,
}

/// The kernels of a graph.
pub(crate) struct Kernels<'a> {
    graph: &'a Graph,
    names: Names<'a>,
    count: usize,
    kept: Vec<Entry<'a>>,
    form: Form,
    isa: VectorIsa,
}

impl<'a> Kernels<'a> {
    /// Compiles the kernels of a graph of kernels that the filter keeps, to be shown in this form.
    pub(crate) fn new(
        graph: &'a Graph,
        filter: &Filter,
        form: Form,
        isa: Option<VectorIsa>,
    ) -> Result<Self, CliError> {
        let options = CodegenOptions { isa };
        let isa = options.isa()?;
        let texts = brolga_codegen::dump(graph, &options)?;
        let count = texts.len();
        let kept = texts.into_iter().filter(|text| filter.keeps(graph, text.node));
        let entry = |text: KernelText| match &graph.node(text.node).op {
            Op::Kernel(kernel) => Some(Entry { kernel, text }),
            _ => None,
        };
        let kept = kept.filter_map(entry).collect();
        Ok(Self { graph, names: Names::new(graph), count, kept, form, isa })
    }

    pub(crate) fn text(&self, filter: &Filter) -> String {
        let (name, count, isa) = (self.graph.name(), self.count, self.isa);
        let mut text = if filter.is_empty() {
            let plural = if count == 1 { "" } else { "s" };
            format!(
                "// graph {name}: {count} kernel{plural}, vectors of {} bits ({isa})\n",
                isa.bits()
            )
        } else {
            let kept = self.kept.len();
            format!(
                "// graph {name}, a filtered view: {kept} of {count} kernels ({filter}), vectors of {} bits ({isa})\n",
                isa.bits()
            )
        };
        for entry in &self.kept {
            let node = self.graph.node(entry.text.node);
            let layer = node.origin.layer.as_ref().map(|layer| format!(" @{layer}"));
            let (layer, role) = (layer.unwrap_or_default(), node.origin.role.name());
            let _ = writeln!(text, "\nkernel {}{layer} #{role}", entry.kernel.body.name());
            let _ = writeln!(text, "  kind: {}", entry.kernel.kind.name());
            let _ = writeln!(text, "  lowering: {}", entry.text.lowering);
            let _ = writeln!(text, "  ops: {}", ops(&entry.kernel.body).join(", "));
            let operands = self.graph.operands(entry.text.node);
            let _ = writeln!(text, "  operands: {}", self.values(operands));
            let results = crate::view::results(self.graph, entry.text.node);
            let _ = writeln!(text, "  results: {}", self.values(results));
            for block in self.blocks(&entry.text) {
                text.push('\n');
                for line in block.trim_end().lines() {
                    let _ = writeln!(text, "{}", format!("  {line}").trim_end());
                }
            }
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let entry = |entry: &Entry<'_>| {
            let node = self.graph.node(entry.text.node);
            let operands = self.graph.operands(entry.text.node);
            let operand = |&value: &_| value_json(self.graph, &self.names, value);
            let mut document = json!({
                "name": entry.kernel.body.name(),
                "kind": entry.kernel.kind,
                "lowering": entry.text.lowering,
                "layer": node.origin.layer,
                "role": node.origin.role,
                "ops": ops(&entry.kernel.body),
                "operands": operands.iter().map(operand).collect::<Vec<_>>(),
                "results": results_json(self.graph, &self.names, entry.text.node),
            });
            let KernelText { nests, tiles, clif, assembly, .. } = &entry.text;
            match self.form {
                Form::Nests => {
                    document["nests"] = json!(nests);
                    document["tiles"] = json!(tiles);
                }
                Form::Clif => document["clif"] = json!(clif),
                Form::Assembly => document["assembly"] = json!(assembly),
            }
            document
        };
        let kernels: Vec<Value> = self.kept.iter().map(entry).collect();
        json!({ "name": self.graph.name(), "isa": self.isa.name(), "kernels": kernels })
    }

    fn blocks<'t>(&self, text: &'t KernelText) -> impl Iterator<Item = &'t String> {
        let (first, second): (&[String], &[String]) = match self.form {
            Form::Nests => (&text.nests, &text.tiles),
            Form::Clif => (&text.clif, &[]),
            Form::Assembly => (&text.assembly, &[]),
        };
        first.iter().chain(second)
    }

    fn values(&self, values: impl IntoIterator<Item = brolga_ir::Value>) -> String {
        let value = |value| format!("{}: {}", self.names.of(value), self.graph.ty(value));
        values.into_iter().map(value).collect::<Vec<_>>().join(", ")
    }
}

/// The ops of a body that have code, in order.
fn ops(body: &Graph) -> Vec<&'static str> {
    let ops = body.order().into_iter().map(|id| &body.node(id).op);
    ops.filter(|op| !matches!(op, Op::Parameter(_) | Op::Constant(_))).map(Op::name).collect()
}
