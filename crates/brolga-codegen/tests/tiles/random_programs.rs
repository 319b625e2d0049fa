//! Random programs: machine code gives the bits of the interpreter.

use brolga_codegen::tile::{
    Builder, Count, Element, Extent, F, I, M, Pointer, Reduction, TileProgram, Trips, Variable,
};
use brolga_ir::lanes::{Lane, Lanes};
use proptest::prelude::*;

use crate::support::{Arg, check};

/// An addition to a program; numbers choose among the values that exist.
#[derive(Debug, Clone)]
enum Act {
    Constant(f32),
    Load(u8, u8),
    Broadcast(u8),
    FloatOp(u8, u8, u8, u8),
    IntOp(u8, u8, u8, u8),
    Compare(u8, u8, u8),
    Logic(u8, u8, u8),
    Select(u8, u8, u8),
    Reduce(u8, bool),
    Set(u8, u8),
    Get(u8),
    Store(u8, u8, u8),
    StoreTransposed(u8, u8, u8, u8),
    Step(u8),
    Prefetch(u8),
    Repeat(u8, Vec<Act>),
}

fn act() -> impl Strategy<Value = Act> {
    let special = prop::sample::select(vec![0.0, -0.0, 1.0, -2.5, 1e30, -1e-40, 3e9, 0.1]);
    let leaf = prop_oneof![
        1 => special.prop_map(Act::Constant),
        2 => any::<(u8, u8)>().prop_map(|(a, b)| Act::Load(a, b)),
        1 => any::<u8>().prop_map(Act::Broadcast),
        4 => any::<(u8, u8, u8, u8)>().prop_map(|(a, b, c, d)| Act::FloatOp(a, b, c, d)),
        3 => any::<(u8, u8, u8, u8)>().prop_map(|(a, b, c, d)| Act::IntOp(a, b, c, d)),
        2 => any::<(u8, u8, u8)>().prop_map(|(a, b, c)| Act::Compare(a, b, c)),
        1 => any::<(u8, u8, u8)>().prop_map(|(a, b, c)| Act::Logic(a, b, c)),
        2 => any::<(u8, u8, u8)>().prop_map(|(a, b, c)| Act::Select(a, b, c)),
        1 => any::<(u8, bool)>().prop_map(|(a, b)| Act::Reduce(a, b)),
        2 => any::<(u8, u8)>().prop_map(|(a, b)| Act::Set(a, b)),
        2 => any::<u8>().prop_map(Act::Get),
        2 => any::<(u8, u8, u8)>().prop_map(|(a, b, c)| Act::Store(a, b, c)),
        1 => any::<(u8, u8, u8, u8)>()
            .prop_map(|(a, b, c, d)| Act::StoreTransposed(a, b, c, d)),
        1 => any::<u8>().prop_map(Act::Step),
        1 => any::<u8>().prop_map(Act::Prefetch),
    ];
    leaf.prop_recursive(2, 40, 12, |inner| {
        (any::<u8>(), prop::collection::vec(inner, 1..12))
            .prop_map(|(trips, acts)| Act::Repeat(trips, acts))
    })
}

/// The recorded values that the block can use.
#[derive(Clone)]
struct Scope {
    floats: Vec<F>,
    ints: Vec<I>,
    masks: Vec<M>,
}

struct Writer {
    input: Pointer,
    output: Pointer,
    count: Count,
    float_vars: [Variable<F>; 2],
    int_var: Variable<I>,
    stored: i32,
}

fn pick<T: Copy>(values: &[T], index: u8) -> T {
    values[usize::from(index) % values.len()]
}

const OUTPUT_SLOTS: i32 = 24;

impl Writer {
    fn extent(&self, choice: u8) -> Extent {
        match choice % 20 {
            0 => Extent::Rest(self.count),
            n @ 1..=15 => Extent::First(n),
            _ => Extent::Full,
        }
    }

    fn act(&mut self, b: &mut Builder, scope: &mut Scope, act: &Act) {
        match *act {
            Act::Constant(value) => {
                let value = b.float(value.into());
                scope.floats.push(value);
            }
            Act::Load(offset, extent) => self.load(b, scope, offset, extent),
            Act::Broadcast(offset) => {
                scope.floats.push(b.broadcast_f32(self.input.at(i32::from(offset % 16) * 4)))
            }
            Act::FloatOp(op, x, y, z) => {
                let value = float_op(b, op, [x, y, z].map(|i| pick(&scope.floats, i)));
                scope.floats.push(value);
            }
            Act::IntOp(op, x, y, f) => {
                let operands = [x, y].map(|i| pick(&scope.ints, i));
                let value = self.int_op(b, op, operands, pick(&scope.floats, f));
                scope.ints.push(value);
                let float = b.to_float(value);
                scope.floats.push(float);
            }
            Act::Compare(op, x, y) => self.compare(b, scope, op, [x, y]),
            Act::Logic(op, x, y) => logic(b, scope, op, [x, y]),
            Act::Select(m, x, y) => select(b, scope, [m, x, y]),
            Act::Reduce(x, sum) => {
                let reduction = if sum { Reduction::Sum } else { Reduction::Max };
                let value = b.reduce(reduction, pick(&scope.floats, x));
                scope.floats.push(value);
            }
            Act::Set(var, x) => match var % 3 {
                2 => b.set(self.int_var, pick(&scope.ints, x)),
                var => b.set(self.float_vars[usize::from(var)], pick(&scope.floats, x)),
            },
            Act::Get(var) => match var % 3 {
                2 => scope.ints.push(b.get(self.int_var)),
                var => scope.floats.push(b.get(self.float_vars[usize::from(var)])),
            },
            Act::Store(kind, extent, x) => self.store(b, scope, kind, extent, x),
            Act::StoreTransposed(..) if self.stored + 4 > OUTPUT_SLOTS => {}
            Act::StoreTransposed(x, y, z, w) => {
                let to = self.output.at(64 * self.stored);
                self.stored += 4;
                b.store_transposed(to, 16, [x, y, z, w].map(|i| pick(&scope.floats, i)));
            }
            // Any address can be prefetched.
            Act::Prefetch(lines) => b.prefetch(self.input.at(4096 * i32::from(lines) - 100_000)),
            Act::Step(by) => self.step(b, scope, by),
            Act::Repeat(trips, ref acts) => {
                let trips = match trips % 6 {
                    0 => Trips::Vectors(self.count),
                    1 => Trips::Tail(self.count),
                    n => Trips::Const(u32::from(n) - 2),
                };
                b.repeat(trips, |b| {
                    let mut scope = scope.clone();
                    acts.iter().for_each(|act| self.act(b, &mut scope, act));
                });
            }
        }
    }

    fn load(&self, b: &mut Builder, scope: &mut Scope, offset: u8, extent: u8) {
        let (at, extent) = (self.input.at(i32::from(offset % 16) * 4), self.extent(extent));
        let mut float = |element: Element| match b.load(element, at, extent) {
            Lane::F(value) => scope.floats.push(value),
            _ => unreachable!("a load of floats gives floats"),
        };
        match offset % 5 {
            0 => float(Element::F32),
            3 => float(Element::BF16),
            4 => float(Element::F16),
            1 => scope.ints.push(b.load_i32(at, extent)),
            _ => scope.ints.push(b.load_u8(at, extent)),
        }
    }

    fn int_op(&self, b: &mut Builder, op: u8, [x, y]: [I; 2], f: F) -> I {
        match op % 14 {
            0 => b.iadd(x, y),
            1 => b.isub(x, y),
            2 => b.imul(x, y),
            3 => b.umulhi(x, y),
            4 => b.iand(x, y),
            5 => b.ior(x, y),
            6 => b.ixor(x, y),
            7 => b.shl(x, u32::from(op) % 32),
            8 => b.shr(x, u32::from(op) % 32),
            9 => b.sar(x, u32::from(op) % 32),
            10 => b.to_int(f),
            11 => b.iota(),
            12 => b.splat(self.count),
            _ => {
                let number = number_or_zero(b, f);
                b.bits(number)
            }
        }
    }

    fn compare(&self, b: &mut Builder, scope: &mut Scope, op: u8, [x, y]: [u8; 2]) {
        let (f, g) = (pick(&scope.floats, x), pick(&scope.floats, y));
        let (i, j) = (pick(&scope.ints, x), pick(&scope.ints, y));
        let value = match op % 6 {
            0 => b.lt(f, g),
            1 => b.le(f, g),
            2 => b.eq(f, g),
            3 => b.ilt(i, j),
            4 => b.ieq(i, j),
            _ => b.first_lanes(self.extent(x)),
        };
        scope.masks.push(value);
    }

    /// Loads after a step of the pointer, which moves back, so that no loop leaves the buffers.
    fn step(&self, b: &mut Builder, scope: &mut Scope, by: u8) {
        let by = 4 * i64::from(by % 8);
        b.step(self.input, by, Trips::Const(1));
        let value = b.load_f32(self.input.at(0), Extent::Full);
        b.step(self.input, -by, Trips::Const(1));
        scope.floats.push(value);
    }

    fn store(&mut self, b: &mut Builder, scope: &Scope, kind: u8, extent: u8, x: u8) {
        if self.stored == OUTPUT_SLOTS {
            return;
        }
        let (to, extent) = (self.output.at(64 * self.stored), self.extent(extent));
        self.stored += 1;
        match kind % 5 {
            0 => b.store_f32(to, extent, pick(&scope.floats, x)),
            3 | 4 => {
                // Two halves are compared as one float, in which the bits of a NaN show.
                let value = number_or_zero(b, pick(&scope.floats, x));
                let element = if kind % 5 == 3 { Element::BF16 } else { Element::F16 };
                b.store(element, to, extent, value);
            }
            1 => b.store_i32(to, extent, pick(&scope.ints, x)),
            _ => b.store_u8(to, extent, pick(&scope.ints, x)),
        }
    }
}

fn logic(b: &mut Builder, scope: &mut Scope, op: u8, operands: [u8; 2]) {
    let [x, y] = operands.map(|i| pick(&scope.masks, i));
    let value = match op % 3 {
        0 => b.and(x, y),
        1 => b.or(x, y),
        _ => b.not(x),
    };
    scope.masks.push(value);
    let number = b.mask_to_int(value);
    scope.ints.push(number);
}

fn select(b: &mut Builder, scope: &mut Scope, [m, x, y]: [u8; 3]) {
    let m = pick(&scope.masks, m);
    let value = b.select(m, pick(&scope.floats, x), pick(&scope.floats, y));
    scope.floats.push(value);
    let value = b.iselect(m, pick(&scope.ints, x), pick(&scope.ints, y));
    scope.ints.push(value);
}

fn float_op(b: &mut Builder, op: u8, [x, y, z]: [F; 3]) -> F {
    match op % 14 {
        0 => b.add(x, y),
        1 => b.sub(x, y),
        2 => b.mul(x, y),
        3 => b.div(x, y),
        4 => b.sqrt(x),
        5 => b.neg(x),
        6 => b.abs(x),
        7 => b.floor(x),
        8 => b.round(x),
        9 => b.exp(x),
        10 => b.round_to(Element::BF16, x),
        11 => b.round_to(Element::F16, x),
        _ => b.fma(x, y, z),
    }
}

/// The bits of a NaN are not specified.
fn number_or_zero(b: &mut Builder, x: F) -> F {
    let (number, zero) = (b.eq(x, x), b.float(0.0));
    b.select(number, x, zero)
}

fn write(acts: &[Act]) -> TileProgram {
    let mut b = Builder::new("random");
    let (input, output, count) = (b.pointer("in"), b.pointer("out"), b.count("n"));
    let first = b.load_f32(input.at(0), Extent::Full);
    let number = b.load_i32(input.at(64), Extent::Full);
    let mask = b.lt(first, first);
    let float_vars = [b.variable(first), b.variable(first)];
    let int_var = b.variable(number);
    let mut scope = Scope { floats: vec![first], ints: vec![number], masks: vec![mask] };
    let mut writer = Writer { input, output, count, float_vars, int_var, stored: 0 };
    acts.iter().for_each(|act| writer.act(&mut b, &mut scope, act));
    // All values that live at the end are stored.
    for (slot, value) in (OUTPUT_SLOTS..).zip(scope.floats.iter().rev().take(4)) {
        b.store_f32(output.at(64 * slot), Extent::Full, *value);
    }
    for (slot, var) in (OUTPUT_SLOTS + 4..).zip(float_vars) {
        let value = b.get(var);
        b.store_f32(output.at(64 * slot), Extent::Full, value);
    }
    b.finish().expect("what the builder writes is right")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn give_the_bits_of_the_interpreter(
        acts in prop::collection::vec(act(), 1..40),
        input in prop::collection::vec(prop_oneof![-4.0f32..4.0, prop::num::f32::ANY], 16 + 16 + 8),
        n in 0i64..40,
    ) {
        let out = Arg::F32(vec![0.0; 16 * (OUTPUT_SLOTS as usize + 6)]);
        check(write(&acts), &[Arg::F32(input), out, Arg::Count(n)]);
    }
}
