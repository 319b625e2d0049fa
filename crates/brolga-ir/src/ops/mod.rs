//! The ops, one file each: meaning, type rule, reference evaluation, gradient rule and tests
//! together.
//!
//! A new op is a new file and one line in the list below.

/// The method of [`Var`](crate::trace::Var) that adds an op without attributes.
macro_rules! var_method {
    ($method:ident(self $(, $other:ident)?) -> $op:ident) => {
        impl crate::trace::Var {
            #[doc = concat!("See [`", stringify!($op), "`](struct@", stringify!($op), ").")]
            #[track_caller]
            #[must_use]
            pub fn $method(&self $(, $other: &crate::trace::Var)?) -> crate::trace::Var {
                self.tracer().apply($op, &[self $(, $other)?])
            }
        }
    };
}

mod attend;
mod body;
#[cfg(test)]
mod checks;
mod conv_dims;
mod elementwise;
mod extremum;
mod float;
mod index;
mod offsets;
mod pool;
mod predicate;
mod random;
pub mod reduce;
mod spatial;
pub mod window;

pub use elementwise::Elementwise;

/// The enum of all ops and its dispatch, from the list of files and types. Large ops are boxed, so
/// that they do not make every node of a graph large.
macro_rules! ops {
    (
        elementwise { $($efile:ident: $etype:ident,)* }
        other { $($ofile:ident: $otype:ident,)* }
        large { $($lfile:ident: $ltype:ident,)* }
    ) => {
        $(mod $efile; pub use $efile::$etype;)*
        $(mod $ofile; pub use $ofile::$otype;)*
        $(mod $lfile; pub use $lfile::$ltype;)*

        /// An op: a value that says what a node computes. Its serde form has no
        /// [bodies](crate::op::Operation::bodies): that of a [`Graph`](crate::Graph) has.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "op", rename_all = "snake_case")]
        #[expect(missing_docs, reason = "each variant is documented at the type it holds")]
        pub enum Op {
            $($etype($etype),)*
            $($otype($otype),)*
            $($ltype(Box<$ltype>),)*
        }

        impl Op {
            /// The names of all ops in the text form.
            pub const NAMES: &[&str] = &[$(stringify!($efile),)* $(stringify!($ofile),)* $(stringify!($lfile),)*];

            /// The name in the text form.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$etype(_) => stringify!($efile),)*
                    $(Self::$otype(_) => stringify!($ofile),)*
                    $(Self::$ltype(_) => stringify!($lfile),)*
                }
            }

            /// The op of this name with these attributes; `None` if there is no such op.
            pub(crate) fn from_attributes<'de, D: serde::Deserializer<'de>>(
                name: &str,
                attributes: D,
            ) -> Option<Result<Self, D::Error>> {
                use serde::Deserialize;
                match name {
                    $(stringify!($efile) => Some($etype::deserialize(attributes).map(Self::$etype)),)*
                    $(stringify!($ofile) => Some($otype::deserialize(attributes).map(Self::$otype)),)*
                    $(stringify!($lfile) => Some($ltype::deserialize(attributes).map(|op| Self::$ltype(Box::new(op)))),)*
                    _ => None,
                }
            }

            /// The attributes, as serde has them.
            pub(crate) fn attributes<S: serde::Serializer>(
                &self,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                use serde::Serialize;
                match self {
                    $(Self::$etype(op) => op.serialize(serializer),)*
                    $(Self::$otype(op) => op.serialize(serializer),)*
                    $(Self::$ltype(op) => op.serialize(serializer),)*
                }
            }

            /// The op's definition.
            pub fn definition(&self) -> &dyn crate::op::Operation {
                match self {
                    $(Self::$etype(op) => op,)*
                    $(Self::$otype(op) => op,)*
                    $(Self::$ltype(op) => &**op,)*
                }
            }

            /// The op's definition, for changes.
            pub fn definition_mut(&mut self) -> &mut dyn crate::op::Operation {
                match self {
                    $(Self::$etype(op) => op,)*
                    $(Self::$otype(op) => op,)*
                    $(Self::$ltype(op) => &mut **op,)*
                }
            }

            /// The op's family.
            pub fn family(&self) -> crate::op::Family<'_> {
                self.definition().family()
            }

            /// Draws the op of this name with operands that fit; `None` if it is not drawn, or
            /// there is no such op.
            pub fn draw(name: &str, pen: &mut crate::draw::Pen) -> Option<crate::draw::Drawn> {
                match name {
                    $(stringify!($efile) => crate::draw::elementwise::<$etype>(pen),)*
                    $(stringify!($ofile) => crate::draw::other::<$otype>(pen),)*
                    $(stringify!($lfile) => crate::draw::other::<$ltype>(pen),)*
                    _ => None,
                }
            }

            /// Whether each element of the result depends only on the operands' elements at the
            /// same index.
            pub fn is_elementwise(&self) -> bool {
                matches!(self, $(Self::$etype(_))|*)
            }

            /// An elementwise op on registers of scalar loops; `None` if the op is not elementwise.
            pub fn scalar(
                &self,
                writer: &mut crate::loops::Writer,
                args: &[crate::loops::Number],
            ) -> Option<crate::loops::Number> {
                match self {
                    $(Self::$etype(op) => Some(op.scalar(writer, args)),)*
                    _ => None,
                }
            }

            /// Runs the program of an elementwise op on lanes; `None` if the op is not elementwise.
            ///
            /// `args` are the operands; integers of 8 bits are zero-extended, and so must the
            /// result be stored.
            pub fn emit<L: crate::lanes::Lanes>(
                &self,
                lanes: &mut L,
                args: &[crate::lanes::Lane<L>],
            ) -> Option<crate::lanes::Lane<L>> {
                match self {
                    $(Self::$etype(op) => Some(op.emit(lanes, args)),)*
                    _ => None,
                }
            }
        }

        $(impl crate::op::Named for $etype { const NAME: &'static str = stringify!($efile); })*
        $(impl crate::op::Named for $otype { const NAME: &'static str = stringify!($ofile); })*
        $(impl crate::op::Named for $ltype { const NAME: &'static str = stringify!($lfile); })*
        $(impl From<$etype> for Op { fn from(op: $etype) -> Self { Self::$etype(op) } })*
        $(impl From<$otype> for Op { fn from(op: $otype) -> Self { Self::$otype(op) } })*
        $(impl From<$ltype> for Op { fn from(op: $ltype) -> Self { Self::$ltype(Box::new(op)) } })*
    };
}

ops! {
    elementwise {
        neg: Neg,
        add: Add,
        sub: Sub,
        mul: Mul,
        div: Div,
        relu: Relu,
        exp: Exp,
        log: Log,
        sqrt: Sqrt,
        rsqrt: Rsqrt,
        erf: Erf,
        tanh: Tanh,
        sigmoid: Sigmoid,
        pow: Pow,
        abs: Abs,
        sign: Sign,
        floor: Floor,
        flush: Flush,
        max: Max,
        min: Min,
        lt: Lt,
        le: Le,
        gt: Gt,
        ge: Ge,
        eq: Eq,
        ne: Ne,
        and: And,
        or: Or,
        not: Not,
        select: Select,
        cast: Cast,
        stop_gradient: StopGradient,
    }
    other {
        broadcast: Broadcast,
        reshape: Reshape,
        transpose: Transpose,
        reverse: Reverse,
        concat: Concat,
        reduce_sum: ReduceSum,
        reduce_mean: ReduceMean,
        reduce_max: ReduceMax,
        reduce_min: ReduceMin,
        argmax: Argmax,
        cumsum: Cumsum,
        sort: Sort,
        attention: Attention,
        attention_grad: AttentionGrad,
        matmul: Matmul,
        gather: Gather,
        scatter_add: ScatterAdd,
        run_sums: RunSums,
        update_rows: UpdateRows,
        one_hot: OneHot,
        call: Call,
        custom_gradient: CustomGradient,
        kernel: Kernel,
    }
    large {
        parameter: Parameter,
        constant: Constant,
        iota: Iota,
        slice: Slice,
        pad: Pad,
        conv: Conv,
        conv_grad_input: ConvGradInput,
        conv_grad_filter: ConvGradFilter,
        max_pool: MaxPool,
        max_pool_index: MaxPoolIndex,
        max_unpool: MaxUnpool,
        max_pool_gather: MaxPoolGather,
        avg_pool: AvgPool,
        avg_pool_grad: AvgPoolGrad,
        random_bits: RandomBits,
        random_uniform: RandomUniform,
        random_bernoulli: RandomBernoulli,
        scan: Scan,
        while_loop: WhileLoop,
    }
}

// A graph of thousands of nodes is walked dozens of times while it is compiled.
const _: () = assert!(size_of::<Op>() <= 56);

pub use attend::{Attending, AttentionDims, BLOCK as ATTENTION_BLOCK, Scale};
pub use conv_dims::{ConvDims, Convolution};
pub use custom_gradient::custom_gradient;
pub use kernel::KernelKind;
pub use matmul::MatmulDims;
pub use parameter::ParameterKind;
pub use pool::{PoolDims, Pooling};
pub use random_bernoulli::Probability;
pub use update_rows::Update;

impl Op {
    /// How the windows of a maximum, or of the index of a maximum, move; `None` of other ops.
    pub fn max_pooling(&self) -> Option<Pooling> {
        match self {
            Self::MaxPool(op) => Some(op.pool),
            Self::MaxPoolIndex(op) => Some(op.pool),
            _ => None,
        }
    }

    /// The graphs inside the op.
    pub fn bodies(&self) -> &[std::sync::Arc<crate::graph::Graph>] {
        self.definition().bodies()
    }

    /// The graphs inside the op, for replacement.
    pub fn bodies_mut(&mut self) -> &mut [std::sync::Arc<crate::graph::Graph>] {
        self.definition_mut().bodies_mut()
    }

    /// The types of the results for operands of these types.
    ///
    /// # Errors
    /// The mistake in the operands or the attributes, or the limit that a result exceeds.
    pub fn infer(
        &self,
        operands: &[&crate::types::Type],
    ) -> Result<crate::op::Types, crate::error::Mistake> {
        let types = self.definition().infer(operands)?;
        for ty in &types {
            ty.check().map_err(|reason| format!("`{}`: {reason}", self.name()))?;
        }
        Ok(types)
    }
}
