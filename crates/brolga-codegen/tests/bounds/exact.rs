//! Valid kernels are accepted with exactly the bytes that they touch.

use std::collections::HashMap;

use brolga_codegen::nest::Base;
use proptest::prelude::*;

use crate::kernels::{any_kernel, nest, table, targets, tiled};
use crate::run::{self, Span};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn kernels_of_all_kinds_are_accepted(kernel in any_kernel()) {
        for target in targets() {
            // A shape may have no tiles.
            let Some(lowered) = tiled(&kernel, &*target) else { continue };
            if let Err(error) = lowered.check(&kernel.body) {
                prop_assert!(false, "{}: {error}", target.name());
            }
        }
    }

    /// The proven ranges end at the last touched byte: with a byte less, a kernel is refused.
    #[test]
    fn ranges_are_exact(kernel in any_kernel()) {
        for target in targets() {
            let Some(lowered) = tiled(&kernel, &*target) else { continue };
            for stage in &lowered.stages {
                let mut touched: HashMap<Base, Span> = HashMap::new();
                run::stage(stage, &mut |_, (base, ..), span| {
                    touched.entry(base).and_modify(|own| *own = own.join(span)).or_insert(span);
                });
                let mut rooms = table(&lowered, stage, &kernel.body);
                // The run has read only some of the possible values. Parts of units end at the
                // operand's end.
                let reads = nest(stage).to_string().contains(" = read ");
                for (base, Span { high, .. }) in touched {
                    let Base::Slot(slot) = base else { continue };
                    let units = |access| access == Some(brolga_codegen::kernel::Access::Units);
                    if reads || units(rooms[slot].reads) || units(rooms[slot].writes) {
                        continue;
                    }
                    let bytes = std::mem::replace(&mut rooms[slot].bytes, high as usize);
                    let exact = nest(stage).check(stage.units, &rooms, lowered.scratch);
                    prop_assert!(exact.is_ok(), "{:?}\n{}", exact, nest(stage));
                    rooms[slot].bytes -= 1;
                    prop_assert!(nest(stage).check(stage.units, &rooms, lowered.scratch).is_err());
                    rooms[slot].bytes = bytes;
                }
            }
        }
    }
}
