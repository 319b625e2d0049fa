//! Kernels that tiles compute, and not scalar loops.

use brolga_codegen::lower::{Lowering, lower};
use brolga_ir::ops::KernelKind;
use brolga_ir::{DType, Op, Tracer, Type, Var};

use crate::common::{check, kernel_graph, targets};

/// As [`check_tiles`], for each float type that has tiles instead of f32.
pub(crate) fn check_floats(
    kind: KernelKind,
    inputs: &[Type],
    build: impl Fn(&Tracer, &[Var]) -> Vec<Var>,
) {
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        let float = |ty: &Type| match ty.dtype {
            DType::F32 => Type::new(dtype, ty.shape.clone()),
            _ => ty.clone(),
        };
        let inputs: Vec<Type> = inputs.iter().map(float).collect();
        check_tiles(kind, &inputs, &build);
    }
}

/// As [`check`], for a kernel for which every instruction set uses tiles.
pub(crate) fn check_tiles(
    kind: KernelKind,
    inputs: &[Type],
    build: impl Fn(&Tracer, &[Var]) -> Vec<Var>,
) {
    let graph = kernel_graph(kind, inputs, &build);
    for id in graph.order() {
        if let Op::Kernel(kernel) = &graph.node(id).op {
            for target in targets().iter().filter(|target| target.has_tiles()) {
                let (lowering, _) = lower(kernel, &**target).expect("every kernel is lowered");
                assert_eq!(lowering, Lowering::Fast(kind), "{graph}");
            }
        }
    }
    check(kind, inputs, build);
}
