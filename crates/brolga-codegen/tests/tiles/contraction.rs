//! The contraction tile computes chains of multiply-adds in the order of its loops.

use brolga_codegen::generators::{Contraction, KLoop, Start};
use brolga_codegen::tile::{Builder, Pointer, TileProgram, TileShape, Trips};
use proptest::prelude::*;
use smallvec::SmallVec;

use crate::support::{Arg, check_where};

/// Loops given in elements: trips, step in `a`, step in `b`, and whether the trips are an argument.
type Loop = (u32, usize, usize, bool);

struct Case {
    rows: Vec<usize>,
    lanes: usize,
    loops: Vec<Loop>,
    from_memory: bool,
}

impl Case {
    /// All (offset in `a`, offset in `b`) of k, in order.
    fn steps(&self) -> Vec<(usize, usize)> {
        self.loops.iter().fold(vec![(0, 0)], |steps, &(trips, a, b, _)| {
            let trips = trips as usize;
            steps
                .iter()
                .flat_map(|&(x, y)| (0..trips).map(move |i| (x + i * a, y + i * b)))
                .collect()
        })
    }

    fn program(&self) -> TileProgram {
        let mut builder = Builder::new("contraction");
        let [a, b, out]: [Pointer; 3] = ["a", "b", "out"].map(|name| builder.pointer(name));
        let loops = self
            .loops
            .iter()
            .map(|&(trips, a_step, b_step, runtime)| KLoop {
                trips: if runtime { Trips::Count(builder.count("k")) } else { Trips::Const(trips) },
                a_step: 4 * a_step as i64,
                b_step: 4 * b_step as i64,
            })
            .collect();
        let rows: SmallVec<_> = self.rows.iter().map(|&row| 4 * row as i64).collect();
        // Any address can be prefetched.
        let ahead = if self.from_memory { 0 } else { 1 << 20 };
        let tile = Contraction { rows, lanes: self.lanes, loops, ahead, by_column: false };
        let out_rows: Vec<i64> =
            (0..self.rows.len()).map(|row| (4 * row * self.lanes) as i64).collect();
        let start = if self.from_memory { Start::Memory(out, &out_rows) } else { Start::Zero };
        for acc in tile.emit(&mut builder, a, b, start) {
            let offset = out_rows[acc.row] + 4 * acc.column as i64;
            builder.store_f32(out.at(offset), acc.extent, acc.value);
        }
        builder.finish().expect("a right program")
    }

    /// Checks the tile on buffers of exactly the elements it needs.
    fn check(&self) {
        let steps = self.steps();
        let reach = |last: Option<usize>| last.map_or(0, |last| last + 1);
        let row = self.rows.iter().copied().max().unwrap_or(0);
        let a_len = reach(steps.iter().map(|step| step.0 + row).max());
        let b_len = reach(steps.iter().map(|step| step.1 + self.lanes - 1).max());
        let number = |i: usize| ((i * 7919 % 1013) as f32 - 500.0) / 37.0;
        let a: Vec<f32> = (0..a_len).map(number).collect();
        let b: Vec<f32> = (0..b_len).map(|i| number(i + 11)).collect();
        let out: Vec<f32> = (0..self.rows.len() * self.lanes).map(|i| number(i + 5)).collect();

        let mut expected = Vec::new();
        for (r, row) in self.rows.iter().enumerate() {
            for n in 0..self.lanes {
                let start = if self.from_memory { out[r * self.lanes + n] } else { 0.0 };
                let chain = |acc: f32, &(i, j): &(usize, usize)| a[row + i].mul_add(b[j + n], acc);
                expected.push(steps.iter().fold(start, chain));
            }
        }
        let mut args = vec![Arg::F32(a), Arg::F32(b), Arg::F32(out)];
        args.extend(self.loops.iter().filter(|l| l.3).map(|l| Arg::Count(l.0.into())));
        let shape = TileShape { rows: self.rows.len(), lanes: self.lanes };
        let results = check_where(self.program(), &args, |target| target.fits(shape));
        assert!(results[2].same(&Arg::F32(expected)), "the chains are in the order of the loops");
    }
}

#[test]
fn every_size_of_tile() {
    for rows in 1..=13 {
        for lanes in [1, 2, 3, 4, 5, 8, 10, 16, 17, 31, 33] {
            let rows = (0..rows).map(|row| row * 3).collect();
            Case { rows, lanes, loops: vec![(3, 5, lanes, false)], from_memory: false }.check();
        }
    }
}

#[test]
fn every_number_of_steps() {
    for trips in 0..=33 {
        for runtime in [false, true] {
            let loops = vec![(trips, 1, 6, runtime)];
            Case { rows: vec![0, 40], lanes: 6, loops, from_memory: trips % 2 == 0 }.check();
        }
    }
}

#[test]
fn without_loops_there_is_one_step() {
    Case { rows: vec![0, 1], lanes: 3, loops: vec![], from_memory: false }.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn nested_loops(
        rows in prop::collection::vec(0usize..20, 1..6),
        lanes in 1usize..20,
        loops in prop::collection::vec((0u32..6, 0usize..9, 0usize..40, any::<bool>()), 0..=4),
        from_memory in any::<bool>(),
    ) {
        Case { rows, lanes, loops, from_memory }.check();
    }

    /// Loops that continue one another, which the generator joins.
    #[test]
    fn joined_loops(
        outer in 0u32..5, middle in 1u32..5, inner in 1u32..20, a in 0usize..3, b in 0usize..3, runtime in any::<bool>(),
    ) {
        let (m, n) = (middle as usize, inner as usize);
        let loops = vec![(outer, m * n * a, m * n * b, runtime), (middle, n * a, n * b, false), (inner, a, b, false)];
        Case { rows: vec![0, 7], lanes: 9, loops, from_memory: false }.check();
    }
}

#[test]
fn text() {
    let loops = [
        KLoop { trips: Trips::Const(3), a_step: 1664, b_step: 24576 },
        KLoop { trips: Trips::Const(3), a_step: 128, b_step: 8192 },
        KLoop { trips: Trips::Const(18), a_step: 4, b_step: 256 },
    ];
    let mut b = Builder::new("conv_2x20");
    let [x, w, y] = ["x", "w", "y"].map(|name| b.pointer(name));
    for acc in Contraction::strided(2, 128, 20, &loops).emit(&mut b, x, w, Start::Zero) {
        b.store_f32(y.at(256 * acc.row as i32 + 4 * acc.column as i32), acc.extent, acc.value);
    }
    insta::assert_snapshot!(b.finish().expect("a right program"), @"
    tile conv_2x20(%x: ptr, %w: ptr, %y: ptr) {
      $0 = 0.0
      $1 = 0.0
      $2 = 0.0
      $3 = 0.0
      loop 3 {
        loop 3 {
          loop 2 {
            rank1 2 vectors of %w first 4 with
              %x: $0 $1
              %x+128: $2 $3
            rank1 2 vectors of %w+256 first 4 with
              %x+4: $0 $1
              %x+132: $2 $3
            rank1 2 vectors of %w+512 first 4 with
              %x+8: $0 $1
              %x+136: $2 $3
            rank1 2 vectors of %w+768 first 4 with
              %x+12: $0 $1
              %x+140: $2 $3
            rank1 2 vectors of %w+1024 first 4 with
              %x+16: $0 $1
              %x+144: $2 $3
            rank1 2 vectors of %w+1280 first 4 with
              %x+20: $0 $1
              %x+148: $2 $3
            rank1 2 vectors of %w+1536 first 4 with
              %x+24: $0 $1
              %x+152: $2 $3
            rank1 2 vectors of %w+1792 first 4 with
              %x+28: $0 $1
              %x+156: $2 $3
            step %x, 32
            step %w, 2048
          }
          rank1 2 vectors of %w first 4 with
            %x: $0 $1
            %x+128: $2 $3
          rank1 2 vectors of %w+256 first 4 with
            %x+4: $0 $1
            %x+132: $2 $3
          step %x, 64
          step %w, 4096
        }
        step %x, 1280
      }
      %1: f = $0
      %2: f = $1
      %3: f = $2
      %4: f = $3
      store f32 %y, %1
      store f32 %y+64 first 4, %2
      store f32 %y+256, %3
      store f32 %y+320 first 4, %4
    }
    ");
}
