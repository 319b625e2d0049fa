//! The numbers of operations of the programs.

use brolga_ir::lanes::{Lanes, Width};

#[test]
fn the_operations_are_as_many_as_documented() {
    let count = |program: fn(&mut Count)| {
        [Width::W32, Width::W64].map(|width| {
            let mut count = Count { width, operations: 0 };
            program(&mut count);
            count.operations
        })
    };
    let counts = [
        count(|l| l.exp(())),
        count(|l| l.log(())),
        count(|l| l.erf(())),
        count(|l| l.tanh(())),
        count(|l| l.sigmoid(())),
        count(|l| l.pow((), ())),
    ];
    assert_eq!(counts, [[20, 25], [27, 33], [46, 63], [25, 30], [24, 27], [86, 111]]);
}

/// Lanes that count operations. Constants and casts of bits are free.
struct Count {
    width: Width,
    operations: usize,
}

macro_rules! counted {
    ($($name:ident($($argument:ident),*);)*) => {
        $(fn $name(&mut self, $($argument: ()),*) {
            self.operations += 1;
        })*
    };
}

impl Lanes for Count {
    type F = ();
    type I = ();
    type M = ();

    fn width(&self) -> Width {
        self.width
    }
    fn float(&mut self, _: f64) {}
    fn int(&mut self, _: i64) {}
    fn truth(&mut self, _: bool) {}
    fn bits(&mut self, (): ()) {}
    fn from_bits(&mut self, (): ()) {}
    fn shl(&mut self, (): (), _: u32) {
        self.operations += 1;
    }
    fn shr(&mut self, (): (), _: u32) {
        self.operations += 1;
    }
    fn sar(&mut self, (): (), _: u32) {
        self.operations += 1;
    }
    counted! {
        add(_a, _b); sub(_a, _b); mul(_a, _b); div(_a, _b); fma(_a, _b, _c); sqrt(_a); neg(_a); abs(_a); floor(_a);
        round(_a); lt(_a, _b); le(_a, _b); eq(_a, _b); select(_m, _a, _b); iadd(_a, _b); isub(_a, _b); imul(_a, _b);
        umulhi(_a, _b); iand(_a, _b); ior(_a, _b); ixor(_a, _b); ilt(_a, _b); ieq(_a, _b); iselect(_m, _a, _b);
        and(_a, _b); or(_a, _b); not(_a); to_float(_a); to_int(_a); mask_to_int(_a);
    }
}
