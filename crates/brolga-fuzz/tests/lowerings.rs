//! The table of lowerings in `docs/codegen.md`, for each op and element type.

use std::collections::BTreeSet;
use std::fmt::Write;

use brolga_codegen::VectorIsa;
use brolga_codegen::lower::{Lowering, lower};
use brolga_ir::draw::{Pen, Rng};
use brolga_ir::{DType, Graph, NodeId, Op};
use brolga_passes::{PassManager, pipeline};

/// The number of draws of an op for an element type, enough for shapes of all kinds.
const DRAWS: u64 = 24;
/// The lines of the page before and after the table.
const MARKS: [&str; 2] = ["<!-- lowerings -->\n", "<!-- end of lowerings -->\n"];

/// The lowerings of an op's kernels: `t` tiles, `l` scalar loops.
fn lowerings(op: &str, dtype: DType) -> BTreeSet<char> {
    let target = VectorIsa::V128.target().expect("this machine is known");
    let mut found = BTreeSet::new();
    for case in 0..DRAWS {
        let mut pen = Pen::new("draw", Rng::new(3, case), 4096);
        pen.set_dtype(dtype);
        let Ok(Some(result)) = pen.op(op) else { continue };
        if result.shape().elements() == 0 {
            continue;
        }
        pen.tracer().output(&result);
        let mut graph = pen.finish().expect("what is drawn fits");
        let required = pipeline().into_iter().filter(|pass| pass.is_required()).collect();
        PassManager::new(required).run(&mut graph).expect("every graph becomes one of kernels");
        for id in graph.ids() {
            let Op::Kernel(kernel) = &graph.node(id).op else { continue };
            if kernel.body.ids().any(|id| is_of(&kernel.body, id, op, dtype)) {
                let (lowering, _) = lower(kernel, &*target).expect("every kernel is lowered");
                found.insert(match lowering {
                    Lowering::Fast(_) => 't',
                    Lowering::General(_) => 'l',
                });
            }
        }
    }
    found
}

/// Whether a node is the op and takes or gives this element type.
fn is_of(body: &Graph, id: NodeId, op: &str, dtype: DType) -> bool {
    let operands = body.operands(id);
    let mut types = operands.iter().map(|&value| body.ty(value)).chain(&body.node(id).types);
    body.node(id).op.name() == op && types.any(|ty| ty.dtype == dtype)
}

fn table() -> String {
    let mut table = String::from("| op |");
    for dtype in DType::ALL {
        let _ = write!(table, " {dtype} |");
    }
    let _ = writeln!(table, "\n|---|{}", "---|".repeat(DType::ALL.len()));
    for &op in Op::NAMES {
        let cells = DType::ALL.map(|dtype| {
            let found = lowerings(op, dtype);
            match (found.contains(&'t'), found.contains(&'l')) {
                (true, true) => "tiles, loops",
                (true, false) => "tiles",
                (false, true) => "loops",
                (false, false) => "",
            }
        });
        if cells.iter().any(|cell| !cell.is_empty()) {
            let _ = writeln!(table, "| {op} | {} |", cells.join(" | "));
        }
    }
    table
}

#[test]
fn the_page_has_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/codegen.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let (before, rest) = page.split_once(MARKS[0]).expect("the table's first mark");
    let (written, after) = rest.split_once(MARKS[1]).expect("the table's last mark");
    let table = table();
    if written != table && std::env::var_os("INSTA_UPDATE").is_some_and(|word| word == "always") {
        let page = format!("{before}{}{table}{}{after}", MARKS[0], MARKS[1]);
        std::fs::write(path, page).expect("the page can be written");
    } else {
        assert_eq!(written, table, "INSTA_UPDATE=always writes the table");
    }
}
