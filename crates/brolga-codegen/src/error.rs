//! The errors of code generation.

/// An error of code generation. None of them can be caused by a user's data: shapes and types have
/// been checked before.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A generator wrote a program that breaks a rule of
    /// [`TileProgram::validate`](crate::tile::TileProgram::validate): the generator is wrong.
    #[error("tile program `{program}`: {problem}\n  at: {statement}")]
    Malformed {
        /// The program's name.
        program: String,
        /// The statement, in the text form.
        statement: String,
        /// The rule it breaks.
        problem: String,
    },

    /// An interpreted program reads or writes outside its buffers, or got the wrong arguments: its
    /// caller is wrong.
    #[error("tile program `{program}`: {problem}")]
    Interpret {
        /// The program's name.
        program: String,
        /// The problem.
        problem: String,
    },

    /// Native code cannot be made for this machine.
    #[error("no native code for this host: {0}")]
    Host(String),

    /// The code of a kernel breaks a rule: the lowering that wrote it is wrong.
    #[error("kernel {kernel}: {problem}")]
    Kernel {
        /// The kernel's name in quotes, and its layer where it is known.
        kernel: String,
        /// The mistake.
        problem: String,
    },

    /// A fast lowering does not take a kernel's body: the general one does.
    #[error("{0}")]
    Refused(String),

    /// A kernel may touch memory that it must not: its lowering is wrong.
    #[error(
        "kernel {kernel}: the nest `{nest}` {problem}\n  at: {step}\n  help: the lowering is wrong, not the graph: please report it"
    )]
    OutOfBounds {
        /// The kernel's name in quotes, and its node and layer where they are known.
        kernel: String,
        /// The stage's nest.
        nest: String,
        /// The access: the bytes, the room, and its size.
        problem: String,
        /// The step, in the text form.
        step: String,
    },

    /// Cranelift refused a function: the code that wrote it is wrong.
    #[error("function `{function}` does not compile: {message}")]
    Compile {
        /// The function's name.
        function: String,
        /// Cranelift's message.
        message: String,
    },

    /// A tile program needs more registers than there are: the generator that chose its shape is
    /// wrong.
    #[error("tile program `{program}`: {problem}")]
    Registers {
        /// The program's name.
        program: String,
        /// The value that does not fit.
        problem: String,
    },

    /// A function refers to a symbol that is not defined: the code that wrote it is wrong.
    #[error("`{function}` refers to the symbol `{symbol}`, which nothing defines")]
    MissingSymbol {
        /// The function, by its name in the object.
        function: String,
        /// The symbol.
        symbol: String,
    },

    /// The finished code could not be linked or placed in memory.
    #[error("the compiled functions cannot be placed in memory: {0}")]
    Module(String),
}

/// A result of code generation.
pub type Result<T, E = Error> = std::result::Result<T, E>;
