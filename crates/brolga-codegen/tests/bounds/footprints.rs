//! The footprint of a tile compared with the bytes that its statements touch.

use brolga_codegen::tile::{
    Builder, Count, Element, Extent, Linear, Pointer, Reach, Term, TileProgram, Trips,
};
use brolga_ir::lanes::Lanes;
use proptest::prelude::*;

use crate::run::{self, Span, Spans};

/// A statement of a random program; numbers make its choices.
#[derive(Debug, Clone)]
enum Act {
    Load(u8, i8, u8),
    Store(i8, u8),
    StoreTransposed(i8, i8),
    Step(bool, i8, u8),
    Repeat(u8, Vec<Act>),
}

fn act() -> impl Strategy<Value = Act> {
    let leaf = prop_oneof![
        any::<(u8, i8, u8)>().prop_map(|(a, b, c)| Act::Load(a, b, c)),
        any::<(i8, u8)>().prop_map(|(a, b)| Act::Store(a, b)),
        any::<(i8, i8)>().prop_map(|(a, b)| Act::StoreTransposed(a, b)),
        any::<(bool, i8, u8)>().prop_map(|(a, b, c)| Act::Step(a, b, c)),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        (any::<u8>(), prop::collection::vec(inner, 1..6))
            .prop_map(|(trips, acts)| Act::Repeat(trips, acts))
    })
}

fn write(acts: &[Act], b: &mut Builder, pointers: [Pointer; 2], count: Count) {
    let extent = |choice: u8| match choice % 18 {
        0 => Extent::Rest(count),
        1 => Extent::Full,
        lanes => Extent::First((lanes - 1).min(15)),
    };
    let trips = |choice: u8| match choice % 8 {
        0 => Trips::Count(count),
        1 => Trips::Vectors(count),
        2 => Trips::Tail(count),
        n => Trips::Const(u32::from(n) - 3),
    };
    let [from, to] = pointers;
    for act in acts {
        match *act {
            Act::Load(kind, at, lanes) => {
                let element = [Element::F32, Element::I32, Element::U8][usize::from(kind % 3)];
                b.load(element, from.at(at), extent(lanes));
            }
            Act::Store(at, lanes) => {
                let zero = b.float(0.0);
                b.store_f32(to.at(at), extent(lanes), zero);
            }
            Act::StoreTransposed(at, step) => {
                let zero = b.float(0.0);
                b.store_transposed(to.at(at), step.into(), [zero; 4]);
            }
            Act::Step(first, bytes, often) => {
                b.step(pointers[usize::from(first)], bytes.into(), trips(often));
            }
            Act::Repeat(often, ref acts) => {
                b.repeat(trips(often), |b| write(acts, b, pointers, count))
            }
        }
    }
}

fn program(acts: &[Act]) -> TileProgram {
    let mut b = Builder::new("random");
    let (pointers, count) = ([b.pointer("from"), b.pointer("to")], b.count("n"));
    write(acts, &mut b, pointers, count);
    b.finish().expect("what the builder writes is right")
}

/// The footprint for a count.
fn evaluated(footprint: &[Reach], n: i64) -> Spans<Pointer> {
    let value = |form: &Linear| {
        let term = |&(term, factor): &(Term, i64)| match term {
            Term::Count(_) => factor * n,
            Term::Vectors(_) => factor * (n / 16),
        };
        form.constant + form.terms.iter().map(term).sum::<i64>()
    };
    let span = |reach: &Reach| Span {
        low: reach.lows.iter().map(value).min().expect("a byte is touched"),
        high: reach.highs.iter().map(value).max().expect("a byte is touched"),
    };
    footprint.iter().map(|r| ((r.pointer, r.element, r.writes), span(r))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn are_what_programs_touch(acts in prop::collection::vec(act(), 1..8), n in 0i64..50) {
        let program = program(&acts);
        // A product of counts has no linear bounds.
        if let Ok(footprint) = program.footprint() {
            let expected = evaluated(&footprint, n);
            let given = run::tile(&program, &[0, 0, n]);
            for (key, span) in &given {
                let bounds = expected[key];
                prop_assert!(bounds.low <= span.low && span.high <= bounds.high, "{key:?}: {bounds:?}, {span:?}");
            }
            if n >= 16 && n % 16 > 0 {
                // All loops are entered, and all extents have lanes.
                prop_assert_eq!(given, expected);
            }
        }
    }
}

fn problem(write: impl FnOnce(&mut Builder, Pointer, Count)) -> String {
    let mut b = Builder::new("moved");
    let (pointer, count) = (b.pointer("p"), b.count("n"));
    write(&mut b, pointer, count);
    b.load_f32(pointer.at(0), Extent::Full);
    let program = b.finish().expect("what the builder writes is right");
    program.footprint().expect_err("no linear bounds")
}

#[test]
fn addresses_that_are_not_linear_have_none() {
    let product = problem(|b, p, n| {
        b.repeat(Trips::Count(n), |b| b.step(p, 4, Trips::Count(n)));
    });
    insta::assert_snapshot!(product, @"a pointer moves by a product of arguments");
    let tail = problem(|b, p, n| b.step(p, 4, Trips::Tail(n)));
    insta::assert_snapshot!(tail, @"a pointer moves where a count leaves lanes over");
    let overflow = problem(|b, p, _| {
        b.repeat(Trips::Const(u32::MAX), |b| b.step(p, i64::MAX / 2, Trips::Const(1)));
    });
    insta::assert_snapshot!(overflow, @"its offsets overflow 64 bits");
}
