//! The ops that follow a kernel's main op while its results are in registers: bias, activation, the
//! store.

use brolga_ir::lanes::Lane;
use brolga_ir::{DType, Value};

use super::body::{Body, Recorded, broadcast, load, round, store};
use crate::error::Result;
use crate::generators::Accumulator;
use crate::nest::Affine;
use crate::tile::{Builder, Extent, Pointer, Trips};

/// Bytes of a cache line.
const LINE: usize = 64;

/// The offsets of a tile's results in the result.
pub(super) struct Offsets {
    /// The offset of the first, in elements.
    pub(super) element: Affine,
    /// The column of the first.
    pub(super) column: Affine,
}

/// A vector of results: its position in a tile, and one value for each root, not yet rounded to the
/// root's element type.
pub(super) struct Cell {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) extent: Extent,
    pub(super) lanes: Vec<Lane<Builder>>,
}

impl From<Accumulator> for Cell {
    fn from(acc: Accumulator) -> Self {
        let Accumulator { row, column, extent, value } = acc;
        Self { row, column, extent, lanes: vec![Lane::F(value)] }
    }
}

/// The layout of an epilogue's operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// One element for each result.
    Full,
    /// One element for each column.
    Column,
    /// One element.
    Scalar,
}

/// An operand of the epilogue.
#[derive(Debug)]
struct Leaf {
    value: Value,
    dtype: DType,
    slot: usize,
    layout: Layout,
}

/// An output of the epilogue.
#[derive(Debug)]
struct Sink {
    value: Value,
    dtype: DType,
    /// The address of the tensor; its elements are in the order of the result or, in scratch
    /// memory, in the caller's.
    start: Affine,
}

/// The elementwise values after the results of a kernel's main ops.
#[derive(Debug)]
pub(super) struct Epilogue {
    roots: Vec<Value>,
    leaves: Vec<Leaf>,
    sinks: Vec<Sink>,
    /// If set, results go to scratch memory instead, and [`Offsets`] count its elements.
    scratch: bool,
}

impl Epilogue {
    /// Whether an operand has one element for each column of the result.
    pub(super) fn reads_columns(&self) -> bool {
        self.leaves.iter().any(|leaf| leaf.layout == Layout::Column)
    }

    /// The epilogue that computes `outputs`, each with the start of its tensor, from the main
    /// results `roots`, which have one shape.
    pub(super) fn new(
        body: &Body<'_>,
        roots: &[Value],
        outputs: &[(Value, Affine)],
        scratch: bool,
    ) -> Result<Self> {
        let mut leaves: Vec<Leaf> = Vec::new();
        let mut stack: Vec<Value> = outputs.iter().map(|(value, _)| *value).collect();
        let mut seen = Vec::new();
        while let Some(value) = stack.pop() {
            if roots.contains(&value) || seen.contains(&value) || body.splat(value).is_some() {
                continue;
            }
            seen.push(value);
            if let Some(slot) = body.input_slot(value) {
                let layout = layout(body, value, roots[0])?;
                leaves.push(Leaf { value, dtype: body.ty(value).dtype, slot, layout });
            } else {
                stack.extend(body.graph.operands(value.node));
            }
        }
        leaves.sort_by_key(|leaf| leaf.slot);
        let sink = |(value, start): &(Value, Affine)| Sink {
            value: *value,
            dtype: body.ty(*value).dtype,
            start: start.clone(),
        };
        Ok(Self {
            roots: roots.to_vec(),
            leaves,
            sinks: outputs.iter().map(sink).collect(),
            scratch,
        })
    }

    /// Declares the tile's parameters for leaves, then sinks.
    pub(super) fn pointers(&self, b: &mut Builder) -> Vec<Pointer> {
        let leaves = (0..self.leaves.len()).map(|i| format!("in{i}"));
        let names: Vec<String> =
            leaves.chain((0..self.sinks.len()).map(|i| format!("out{i}"))).collect();
        names.into_iter().map(|name| b.pointer(name)).collect()
    }

    /// The addresses for these parameters.
    pub(super) fn args(&self, offsets: &Offsets) -> impl Iterator<Item = Affine> {
        let leaves = self.leaves.iter().map(|leaf| {
            let size = leaf.dtype.size() as i64;
            let start = Affine::slot(leaf.slot);
            match leaf.layout {
                Layout::Full => start.add(&offsets.element, size),
                Layout::Column => start.add(&offsets.column, size),
                Layout::Scalar => start,
            }
        });
        let sinks = self
            .sinks
            .iter()
            .map(|sink| sink.start.clone().add(&offsets.element, sink.dtype.size() as i64));
        leaves.chain(sinks).collect::<Vec<_>>().into_iter()
    }

    /// Whether an operand has an element for each result, whose layout scratch memory does not
    /// have.
    pub(super) fn has_full_leaf(&self) -> bool {
        self.leaves.iter().any(|leaf| leaf.layout == Layout::Full)
    }

    /// Whether the results go to scratch memory.
    pub(super) fn is_scratch(&self) -> bool {
        self.scratch
    }

    /// Whether the epilogue reads a slot.
    pub(super) fn reads(&self, slot: usize) -> bool {
        self.leaves.iter().any(|leaf| leaf.slot == slot)
    }

    /// The results with their slots.
    pub(super) fn results<'a>(
        &'a self,
        body: &'a Body<'_>,
    ) -> impl Iterator<Item = (Value, usize)> + 'a {
        let own = |value: &Value| self.sinks.iter().any(|sink| sink.value == *value);
        body.results().filter(move |(value, _)| own(value))
    }

    /// The slots that the epilogue reads.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> + '_ {
        self.leaves.iter().map(|leaf| leaf.slot)
    }

    /// The slots that the epilogue reads element by element.
    pub(super) fn full_slots(&self) -> impl Iterator<Item = usize> + '_ {
        self.leaves.iter().filter(|leaf| leaf.layout == Layout::Full).map(|leaf| leaf.slot)
    }

    /// Pairs of results and operands that may share memory: the operand's elements are read right
    /// before the result's are written. Operands in `factors` may not, since tiles read them
    /// elsewhere.
    pub(super) fn in_place(&self, body: &Body<'_>, factors: &[usize]) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        for (value, slot) in self.results(body) {
            let same = self.leaves.iter().filter(|leaf| {
                leaf.layout == Layout::Full
                    && body.ty(leaf.value) == body.ty(value)
                    && !factors.contains(&leaf.slot)
            });
            pairs.extend(same.map(|leaf| (slot - body.operands(), leaf.slot)));
        }
        pairs
    }

    /// Moves the pointers of results and of operands with an element for each result.
    pub(super) fn step(&self, b: &mut Builder, pointers: &[Pointer], elements: usize) {
        let (inputs, outputs) = pointers.split_at(self.leaves.len());
        for (leaf, &pointer) in self.leaves.iter().zip(inputs) {
            if leaf.layout == Layout::Full {
                b.step(pointer, (elements * leaf.dtype.size()) as i64, Trips::Const(1));
            }
        }
        for (sink, &pointer) in self.sinks.iter().zip(outputs) {
            b.step(pointer, (elements * sink.dtype.size()) as i64, Trips::Const(1));
        }
    }

    /// Prefetches the lines that a tile's epilogue will read: rows of a result are too far apart
    /// for the hardware to do so.
    pub(super) fn prefetch(
        &self,
        b: &mut Builder,
        pointers: &[Pointer],
        [rows, columns]: [usize; 2],
        row_step: usize,
    ) {
        for (leaf, &pointer) in self.leaves.iter().zip(pointers) {
            if leaf.layout == Layout::Full {
                let size = leaf.dtype.size();
                for row in 0..rows {
                    for byte in (0..columns * size).step_by(LINE) {
                        b.prefetch(pointer.at((row * row_step * size + byte) as i64));
                    }
                }
            }
        }
    }

    /// Writes the epilogue for all cells of a tile.
    pub(super) fn emit(
        &self,
        body: &Body<'_>,
        b: &mut Builder,
        pointers: &[Pointer],
        cells: &[Cell],
        row_step: usize,
    ) -> Result<()> {
        let (inputs, outputs) = pointers.split_at(self.leaves.len());
        // Columns are loaded once and used for all rows.
        let mut columns: Vec<(usize, Value, Lane<Builder>)> = Vec::new();
        for cell in cells {
            let mut recorded = Recorded::default();
            for (value, _, lane) in columns
                .iter()
                .filter(|(column, _, _)| *column == cell.column)
                .map(|(c, v, l)| (*v, *c, *l))
            {
                recorded.insert(value, lane);
            }
            let element = (cell.row * row_step + cell.column) as i64;
            let mut leaf = |b: &mut Builder, value: Value| {
                if let Some(root) = self.roots.iter().position(|root| *root == value) {
                    return Some(round(b, body.ty(value).dtype, cell.lanes[root]));
                }
                let index = self.leaves.iter().position(|leaf| leaf.value == value)?;
                let (leaf, pointer) = (&self.leaves[index], inputs[index]);
                let size = leaf.dtype.size() as i64;
                Some(match leaf.layout {
                    Layout::Full => load(b, leaf.dtype, pointer.at(element * size), cell.extent),
                    Layout::Column => {
                        let address = pointer.at(cell.column as i64 * size);
                        let lane = load(b, leaf.dtype, address, cell.extent);
                        columns.push((cell.column, value, lane));
                        lane
                    }
                    Layout::Scalar => {
                        let lane = broadcast(b, leaf.dtype, pointer.at(0));
                        columns.push((cell.column, value, lane));
                        lane
                    }
                })
            };
            // All operands are read before any result is written, since they may share memory.
            let mut results = Vec::with_capacity(self.sinks.len());
            for sink in &self.sinks {
                results.push(body.record(b, &mut recorded, sink.value, &mut leaf)?);
            }
            for ((sink, &output), lane) in self.sinks.iter().zip(outputs).zip(results) {
                let address = output.at(element * sink.dtype.size() as i64);
                store(b, sink.dtype, address, cell.extent, lane);
            }
        }
        Ok(())
    }
}

fn layout(body: &Body<'_>, value: Value, root: Value) -> Result<Layout> {
    let (own, result) = (body.shape(value), body.shape(root));
    if own == result {
        return Ok(Layout::Full);
    }
    if own.elements() == 1 {
        return Ok(Layout::Scalar);
    }
    let rank = own.rank();
    let columns = rank > 0 && own.last() == result.last();
    if columns && own[..rank - 1].iter().all(|&extent| extent == 1) {
        return Ok(Layout::Column);
    }
    Err(body.refused(format!("an operand of shape {own} does not fit a result of shape {result}")))
}
