//! The rules of a tile program.

use super::program::{
    Address, Constant, Count, Element, Extent, Kind, LANES, Op, ParamKind, REACH, Rank1, Stmt,
    TileProgram, Trips, Value, Var,
};
use crate::error::{Error, Result};

/// Levels of loops inside one another.
const MAX_DEPTH: usize = 8;

/// The outcome of a check: the error is the broken rule, in words.
type Rule<T = ()> = std::result::Result<T, String>;

impl TileProgram {
    /// Checks the rules that every instruction set relies on:
    ///
    /// 1. A pointer is a pointer parameter, a count a count parameter; addresses are less than
    ///    [`REACH`] bytes from their pointers.
    /// 2. A value is defined once, before its use, in the block of the use or one around it;
    ///    constants are never defined.
    /// 3. A variable is set before it is read.
    /// 4. Operands have the kinds of the operation, and a value has the kind of its operation.
    /// 5. [`Extent::First`] has 1 to 15 lanes; a shift is below 32; [`Op::RoundTo`] names an
    ///    element of 16 bits.
    /// 6. [`Rank1`] has rows, vectors, one different float variable for each of both, and no
    ///    [`Extent::Rest`].
    /// 7. Loops are at most eight deep.
    ///
    /// The author of a program guarantees the rest, which cannot be checked: addresses are valid;
    /// and if a store follows a load without a step, a loop, a [`Rank1`] or a [`Op::Reduce`]
    /// between them, both touch the same bytes (in place) or none in common. Instruction sets may
    /// execute such statements one part of the lanes after the other.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the first statement that breaks a rule.
    pub fn validate(&self) -> Result<()> {
        let mut checker = Checker {
            program: self,
            defined: vec![false; self.values.len()],
            visible: vec![false; self.values.len()],
            set: vec![false; self.vars.len()],
        };
        checker.block(&self.body, 0)
    }
}

struct Checker<'a> {
    program: &'a TileProgram,
    /// For each value, whether a statement has defined it, and whether the current block sees it.
    defined: Vec<bool>,
    visible: Vec<bool>,
    /// For each variable, whether it is set.
    set: Vec<bool>,
}

impl Checker<'_> {
    fn block(&mut self, block: &[Stmt], depth: usize) -> Result<()> {
        let (visible, set) = (self.visible.clone(), self.set.clone());
        for stmt in block {
            self.stmt(stmt, depth).map_err(|problem| Error::Malformed {
                program: self.program.name.clone(),
                statement: self.program.statement_text(stmt),
                problem,
            })?;
            if let Stmt::Loop { body, .. } = stmt {
                self.block(body, depth + 1)?;
            }
        }
        (self.visible, self.set) = (visible, set);
        Ok(())
    }

    fn stmt(&mut self, stmt: &Stmt, depth: usize) -> Rule {
        match stmt {
            Stmt::Let(value, op) => {
                let kind = self.op(*op)?;
                let data = self
                    .program
                    .values
                    .get(value.0 as usize)
                    .ok_or("the value has no entry in the table")?;
                expect(data.constant.is_none(), || "a constant is not defined by a statement")?;
                expect(data.kind == kind, || {
                    format!("the op gives {kind:?}, the value holds {:?}", data.kind)
                })?;
                let defined = std::mem::replace(&mut self.defined[value.0 as usize], true);
                expect(!defined, || "the value is defined twice")?;
                self.visible[value.0 as usize] = true;
            }
            Stmt::Set(var, value) => {
                let kind = self.var(*var)?;
                self.operand(*value, kind)?;
                self.set[var.0 as usize] = true;
            }
            Stmt::Store { element, address, extent, value } => {
                self.address(*address)?;
                self.extent(*extent)?;
                self.operand(*value, element.kind())?;
            }
            Stmt::StoreTransposed { address, step, values } => {
                self.address(*address)?;
                self.address(address.plus(step.saturating_mul(LANES as i64 - 1)))?;
                values.iter().try_for_each(|value| self.operand(*value, Kind::Float))?;
            }
            Stmt::Prefetch(address) => self.address(*address)?,
            Stmt::Step { pointer, trips, .. } => {
                self.param(pointer.0, ParamKind::Pointer)?;
                self.trips(*trips)?;
            }
            Stmt::Rank1(rank1) => self.rank1(rank1)?,
            Stmt::Loop { trips, .. } => {
                self.trips(*trips)?;
                expect(depth < MAX_DEPTH, || format!("loops are more than {MAX_DEPTH} deep"))?;
            }
        }
        Ok(())
    }

    fn rank1(&self, rank1: &Rank1) -> Rule {
        let (rows, vectors) = (rank1.a.len(), rank1.vectors);
        expect(
            rows > 0 && vectors > 0,
            || "a contraction step has at least one row and one vector",
        )?;
        expect(rank1.acc.len() == rows * vectors, || {
            format!("{rows} rows of {vectors} vectors have {} accumulators", rank1.acc.len())
        })?;
        let twice = (1..rank1.acc.len()).any(|i| rank1.acc[..i].contains(&rank1.acc[i]));
        expect(!twice, || "an accumulator is used twice")?;
        let constant = !matches!(rank1.extent, Extent::Rest(_));
        expect(constant, || "the lanes of a contraction step are constant")?;
        self.extent(rank1.extent)?;
        for &acc in &rank1.acc {
            expect(self.var(acc)? == Kind::Float, || "an accumulator is not a float variable")?;
            self.is_set(acc)?;
        }
        rank1.a.iter().chain([&rank1.b]).try_for_each(|address| self.address(*address))
    }

    /// The kind of the result.
    fn op(&self, op: Op) -> Rule<Kind> {
        match op {
            Op::Load(element, address, extent) => {
                self.address(address)?;
                self.extent(extent)?;
                Ok(element.kind())
            }
            Op::Broadcast(element, address) => {
                self.address(address)?;
                Ok(element.kind())
            }
            Op::Splat(count) => {
                self.count(count)?;
                Ok(Kind::Int)
            }
            Op::Iota => Ok(Kind::Int),
            Op::FirstLanes(extent) => {
                self.extent(extent)?;
                Ok(Kind::Mask)
            }
            Op::Get(var) => {
                let kind = self.var(var)?;
                self.is_set(var)?;
                Ok(kind)
            }
            Op::RoundTo(element, a) => {
                let is_half = matches!(element, Element::BF16 | Element::F16);
                expect(is_half, || format!("a rounding to {element}, expected bf16 or f16"))?;
                self.operands((&[Kind::Float], Kind::Float), &[a])
            }
            Op::Unary(unary, a) => self.operands(unary.signature(), &[a]),
            Op::Binary(binary, a, b) => self.operands(binary.signature(), &[a, b]),
            Op::Shift(shift, a, bits) => {
                expect(bits < 32, || format!("a shift by {bits} bits, expected fewer than 32"))?;
                self.operands(shift.signature(), &[a])
            }
            Op::Fma(a, b, c) => self.operands((&[Kind::Float; 3], Kind::Float), &[a, b, c]),
            Op::Select(mask, a, b) => {
                let kind = self.kind(a)?;
                expect(kind != Kind::Mask, || "a select between truth values")?;
                self.operands((&[Kind::Mask, kind, kind], kind), &[mask, a, b])
            }
            Op::Reduce(reduction, a) => self.operands(reduction.signature(), &[a]),
        }
    }

    fn operands(&self, (kinds, result): (&[Kind], Kind), operands: &[Value]) -> Rule<Kind> {
        for (&operand, &kind) in operands.iter().zip(kinds) {
            self.operand(operand, kind)?;
        }
        Ok(result)
    }

    fn operand(&self, value: Value, expected: Kind) -> Rule {
        let kind = self.kind(value)?;
        expect(kind == expected, || format!("%{} holds {kind:?}, expected {expected:?}", value.0))
    }

    fn kind(&self, value: Value) -> Rule<Kind> {
        let data = self.program.values.get(value.0 as usize);
        let data = data.ok_or_else(|| format!("%{} does not exist", value.0))?;
        match data.constant {
            Some(constant) => {
                let kind = Constant::kind(constant);
                expect(kind == data.kind, || {
                    format!("%{} is a constant of another kind", value.0)
                })?;
            }
            None => expect(self.visible[value.0 as usize], || {
                format!("%{} is not defined in this block or one around it", value.0)
            })?,
        }
        Ok(data.kind)
    }

    fn var(&self, var: Var) -> Rule<Kind> {
        self.program
            .vars
            .get(var.0 as usize)
            .copied()
            .ok_or_else(|| format!("${} does not exist", var.0))
    }

    fn is_set(&self, var: Var) -> Rule {
        expect(self.set[var.0 as usize], || format!("${} is read before it is set", var.0))
    }

    fn address(&self, address: Address) -> Rule {
        self.param(address.pointer.0, ParamKind::Pointer)?;
        expect(address.offset.unsigned_abs() < REACH.unsigned_abs(), || {
            format!("{} bytes from a pointer, expected less than 2 GiB", address.offset)
        })
    }

    fn count(&self, count: Count) -> Rule {
        self.param(count.0, ParamKind::Count)
    }

    fn param(&self, index: u16, expected: ParamKind) -> Rule {
        let param = self.program.params.get(usize::from(index));
        let param = param.ok_or_else(|| format!("there is no parameter {index}"))?;
        expect(param.kind == expected, || format!("%{} is no {expected:?}", param.name))
    }

    fn extent(&self, extent: Extent) -> Rule {
        match extent {
            Extent::Full => Ok(()),
            Extent::First(lanes) => expect((1..LANES).contains(&usize::from(lanes)), || {
                format!("the first {lanes} lanes, expected 1 to {}", LANES - 1)
            }),
            Extent::Rest(count) => self.count(count),
        }
    }

    fn trips(&self, trips: Trips) -> Rule {
        match trips {
            Trips::Const(_) => Ok(()),
            Trips::Count(count) | Trips::Vectors(count) | Trips::Tail(count) => self.count(count),
        }
    }
}

/// Fails with a problem, which is formatted only then.
fn expect<T: Into<String>>(holds: bool, problem: impl FnOnce() -> T) -> Rule {
    if holds { Ok(()) } else { Err(problem().into()) }
}
