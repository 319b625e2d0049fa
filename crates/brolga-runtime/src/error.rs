//! Errors of planning, linking and running a program.

use brolga_ir::verify::VerifyErrors;
use brolga_ir::{EvalError, Type};
use brolga_memory::{Limit, NotGranted};

use crate::report::MemoryReport;
use crate::together::MemoryTogether;

/// Why a program cannot be planned, linked or run. Each variant tells whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The caller's fault: the graph has no such data input.
    #[error("graph `{graph}` has no data input {given}; {known}")]
    UnknownInput {
        /// The graph's name.
        graph: String,
        /// The name or number given.
        given: String,
        /// A sentence that lists the inputs.
        known: String,
    },
    /// The caller's fault: the graph has no such output.
    #[error("graph `{graph}` has no output {given}; it has {count} that replace no state")]
    UnknownOutput {
        /// The graph's name.
        graph: String,
        /// The number given.
        given: usize,
        /// The number of outputs.
        count: usize,
    },
    /// The caller's fault: elements are accessed as another type than theirs.
    #[error("{what} is {expected}; it cannot be accessed as {given}")]
    ElementType {
        /// The input, output or state.
        what: String,
        /// Its type.
        expected: Type,
        /// The element type asked for.
        given: brolga_ir::DType,
    },
    /// The caller's fault: a tensor of another type.
    #[error("{what} is {expected}; a tensor of type {given} was given")]
    TensorType {
        /// The input or state.
        what: String,
        /// Its type.
        expected: Box<Type>,
        /// The tensor's type.
        given: Box<Type>,
    },
    /// The caller's fault: another number of elements than the type has.
    #[error("{what} is {expected}, which has {} elements; {given} were given", expected.shape.elements())]
    Length {
        /// The input or state.
        what: String,
        /// Its type.
        expected: Type,
        /// The number of elements given.
        given: usize,
    },
    /// The caller's fault: rows that do not fit the input that they are for.
    #[error("{what} is {expected}; {problem}")]
    Feed {
        /// The input.
        what: String,
        /// Its type.
        expected: Type,
        /// What does not fit.
        problem: String,
    },
    /// The caller's fault: no state of this name.
    #[error("there is no state `{name}`; {known}")]
    UnknownState {
        /// The name given.
        name: String,
        /// A sentence about the states there are.
        known: String,
    },
    /// The caller's fault: two states of one name.
    #[error("the state `{name}` is declared twice, as {first} and as {second}")]
    DuplicateState {
        /// The name.
        name: String,
        /// Its first type.
        first: Box<Type>,
        /// Its second type.
        second: Box<Type>,
    },
    /// The caller's fault: no memory can hold these states.
    #[error(
        "the states take more memory than there are addresses; the first one that does not fit is `{name}`: {ty}"
    )]
    StateSize {
        /// The first state that does not fit.
        name: String,
        /// Its type.
        ty: Type,
    },
    /// The caller's fault: the graph uses a state that the layout has not.
    #[error(
        "graph `{graph}` uses the state `{name}`: {expected}, which the layout does not have; {known}"
    )]
    StateMissing {
        /// The graph's name.
        graph: String,
        /// The state's name.
        name: String,
        /// Its type in the graph.
        expected: Type,
        /// A sentence about the states there are.
        known: String,
    },
    /// The caller's fault: the graph and the layout disagree about a state.
    #[error("graph `{graph}` uses the state `{name}` as {expected}; in the layout it is {given}")]
    StateType {
        /// The graph's name.
        graph: String,
        /// The state's name.
        name: String,
        /// Its type in the graph.
        expected: Box<Type>,
        /// Its type in the layout.
        given: Box<Type>,
    },
    /// The caller's fault: the program was compiled against another layout.
    #[error(
        "graph `{graph}` was compiled against another layout of states than the given state has\n  help: compile it against `state.layout()`"
    )]
    StateLayout {
        /// The graph's name.
        graph: String,
    },
    /// The caller's fault: states are copied from states of another layout.
    #[error("states can be copied from states of the same names and types alone")]
    OtherLayout,
    /// The caller's fault: the interpreter cannot evaluate the graph.
    #[error(transparent)]
    Interpreter(#[from] EvalError),
    /// The caller's fault: a node is not in a kernel, and only kernels have native code.
    #[error(
        "graph `{graph}`: node {node} is `{op}`{place}, which has no native code of its own\n  help: `optimize` makes kernels of all nodes; the backend `Interpreter` runs any graph"
    )]
    UnsupportedNode {
        /// The graph's name.
        graph: String,
        /// The node's number.
        node: usize,
        /// Its op.
        op: String,
        /// Its layer, as part of the sentence.
        place: String,
    },
    /// The caller's fault: the graph is not valid.
    #[error(transparent)]
    Graph(#[from] VerifyErrors),
    /// The caller's fault, or this machine has no back end.
    #[error(transparent)]
    Codegen(#[from] brolga_codegen::Error),
    /// The fault of code generation: a kernel does not fit its node.
    #[error("kernel `{kernel}`: {problem}")]
    Kernel {
        /// The kernel's name.
        kernel: String,
        /// What is wrong.
        problem: String,
    },
    /// The fault of the plan's author: it contradicts itself.
    #[error("the plan of graph `{graph}` is wrong: {problem}")]
    Plan {
        /// The graph's name.
        graph: String,
        /// What is wrong.
        problem: String,
    },
    /// The caller's fault: the code is not that of the plan's kernels.
    #[error(
        "kernel `{kernel}`: the code does not define the symbol `{symbol}`\n  help: link the plan with the code of the kernels that it was made of"
    )]
    MissingSymbol {
        /// The kernel's name.
        kernel: String,
        /// The symbol that its stage calls.
        symbol: String,
    },
    /// The caller's fault: the program needs more memory than is allowed. Nothing has been
    /// allocated.
    #[error("{need}, {limit}\n\n{report}\n  help: {help}")]
    MemoryLimit {
        /// The graph and how much it needs, as the start of a sentence.
        need: String,
        /// The most that is allowed.
        limit: Limit,
        /// What needs how much.
        report: Box<MemoryReport>,
        /// What to do.
        help: String,
    },
    /// The caller's fault: states and programs need more memory together than is allowed. Nothing
    /// has been allocated.
    #[error("{need}, {limit}\n\n{memory}\n  help: {help}")]
    MemoryLimitTogether {
        /// How much is needed, as the start of a sentence.
        need: String,
        /// The most that is allowed.
        limit: Limit,
        /// What needs how much.
        memory: Box<MemoryTogether>,
        /// What to do.
        help: String,
    },
    /// The caller's fault: no such number of threads.
    #[error("{given} threads cannot compute; between 1 and {limit} can")]
    ThreadCount {
        /// The number given.
        given: usize,
        /// The largest number.
        limit: usize,
    },
    /// Nobody's fault: the system starts no more threads.
    #[error("the system does not start {count} threads: {reason}")]
    Threads {
        /// The number of threads.
        count: usize,
        /// Why not.
        reason: String,
    },
    /// Nobody's fault: the machine does not grant the memory.
    #[error("{0}\n  help: make it smaller, or free memory that other programs hold")]
    Allocation(#[from] NotGranted),
}
