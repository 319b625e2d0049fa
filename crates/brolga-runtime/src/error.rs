//! What can go wrong while a program is made ready or run.

use brolga_ir::{EvalError, Type};

/// Why a program cannot be made ready or run. Each variant tells whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The caller's fault: the graph has no such data input.
    #[error("graph `{graph}` has no data input {given}; {known}")]
    UnknownInput {
        /// The graph's name.
        graph: String,
        /// The name or number given.
        given: String,
        /// A sentence about the inputs there are.
        known: String,
    },
    /// The caller's fault: the graph has no such output.
    #[error("graph `{graph}` has no output {given}; it has {count} that replace no state")]
    UnknownOutput {
        /// The graph's name.
        graph: String,
        /// The number given.
        given: usize,
        /// How many there are.
        count: usize,
    },
    /// The caller's fault: elements are read or written as another type than they have.
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
        expected: Type,
        /// The tensor's type.
        given: Type,
    },
    /// The caller's fault: not as many elements as the type has.
    #[error("{what} is {expected}, which has {} elements; {given} were given", expected.shape.elements())]
    Length {
        /// The input or state.
        what: String,
        /// Its type.
        expected: Type,
        /// The number of elements given.
        given: usize,
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
        first: Type,
        /// Its second type.
        second: Type,
    },
    /// The caller's fault: no memory can hold these states.
    #[error("the states take more memory than there are addresses; the first one that does not fit is `{name}`: {ty}")]
    StateSize {
        /// The first state that does not fit.
        name: String,
        /// Its type.
        ty: Type,
    },
    /// The caller's fault: the graph uses a state that the layout has not.
    #[error("graph `{graph}` uses the state `{name}`: {expected}, which the layout does not have; {known}")]
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
        expected: Type,
        /// Its type in the layout.
        given: Type,
    },
    /// The caller's fault: the program was compiled against another layout.
    #[error("graph `{graph}` was compiled against another layout of states than the given state has\n  help: compile it against `state.layout()`")]
    StateLayout {
        /// The graph's name.
        graph: String,
    },
    /// The caller's fault: the interpreter cannot evaluate the graph.
    #[error(transparent)]
    Interpreter(#[from] EvalError),
    /// Nobody's fault: the system has no memory left.
    #[error("the system does not give {bytes} bytes of memory")]
    Allocation {
        /// How much was asked for.
        bytes: usize,
    },
}
