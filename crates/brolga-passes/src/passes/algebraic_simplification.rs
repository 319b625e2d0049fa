//! Applies the identities of arithmetic that keep every bit.
//!
//! ```text
//! %1: f32[4] = mul %0, 1                  →   %0
//! %1: f32[4] = div %0, 32                 →   %1: f32[4] = mul %0, 0.03125
//! %1: f32[4] = neg %0
//! %2: f32[4] = add %x, %1                 →   %2: f32[4] = sub %x, %0
//! %1: f32[4] = select %m, %0, %2
//! %2: f32[4] = select %m, %1, %3          →   %2: f32[4] = select %m, %0, %3
//! ```
//!
//! "Every bit" holds for all operands: NaN (all NaNs are one value), infinities, −0 and subnormal
//! numbers.
//!
//! | rule | floats | integers |
//! |---|---|---|
//! | x · 1, x / 1 → x | exact | exact (there is no division) |
//! | x · −1 → −x | exact; the sign of a NaN is not specified | wraps alike |
//! | x / c → x · (1/c) | c = ±2ᵏ with 1/c normal: both round the same real number | |
//! | x − (+0) → x | −0 − 0 = −0 | exact |
//! | x + (−0) → x | −0 + −0 = −0 | x + 0 → x |
//! | x + (−y) → x − y, x − (−y) → x + y | subtraction is defined so | wraps alike |
//! | −(−x) → x | exact | wraps alike |
//! | −(c · x) → (−c) · x for a constant c | rounding is symmetric | refused |
//! | max(x, x), min(x, x) → x | NaN stays NaN | exact |
//! | relu, abs, floor, flush, sign twice → once; abs(−x) → abs x | idempotent | idempotent |
//! | select(true, a, b) → a, select(m, a, a) → a | no arithmetic | |
//! | select(¬m, a, b) → select(m, b, a) | no arithmetic | |
//! | select(m, select(m, a, b), c) → select(m, a, c), and so for c | no arithmetic | |
//! | ¬¬m, m ∧ m, m ∨ m, m ∧ true, m ∨ false → m | no arithmetic | |
//! | a cast to the same type; a reversal twice or of extent 1 → x | nothing moves | |
//! | a slice of everything, a padding of nothing, a concatenation of one → x | nothing moves | |
//! | stop_gradient(x) → x | differentiation comes before the passes | |
//!
//! Refused, because a bit can change: x + (+0) (−0 becomes +0), x − (−0) (likewise), x · 0 → 0
//! (NaN, ∞, and −0 for negative x), x − x → 0 and x / x → 1 (NaN), any reassociation, x / c for
//! other c.

use brolga_ir::ops;
use brolga_ir::{DType, Data, Graph, Mistake, NodeId, Op, Value};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};
use crate::values::{add_splat, is_splat_of, splat};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct AlgebraicSimplification;

impl Pass for AlgebraicSimplification {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        super::sweep(graph, rewrites, simplify)
    }
}

const MUL_ONE: Rule = Rule { name: "x·1 → x", reason: "exact for every x" };
const MUL_MINUS_ONE: Rule = Rule { name: "x·(−1) → −x", reason: "exact; a NaN has no sign" };
const DIV_ONE: Rule = Rule { name: "x/1 → x", reason: "exact for every x" };
const DIV_POWER: Rule =
    Rule { name: "x/2ᵏ → x·2⁻ᵏ", reason: "the same real number is rounded, and faster" };
const SUB_ZERO: Rule = Rule { name: "x−0 → x", reason: "−0 − 0 = −0" };
const ADD_ZERO: Rule =
    Rule { name: "x+(−0) → x", reason: "−0 is the neutral element of addition" };
const ADD_NEG: Rule = Rule { name: "x+(−y) → x−y", reason: "subtraction is defined so" };
const SUB_NEG: Rule = Rule { name: "x−(−y) → x+y", reason: "subtraction is defined so" };
const NEG_NEG: Rule = Rule { name: "−(−x) → x", reason: "the sign bit is inverted twice" };
const NEG_SCALED: Rule = Rule { name: "−(c·x) → (−c)·x", reason: "rounding is symmetric" };
const SAME_EXTREMUM: Rule = Rule { name: "max(x,x) → x", reason: "the second is taken, or NaN" };
const IDEMPOTENT: Rule = Rule { name: "f(f(x)) → f(x)", reason: "f changes none of its results" };
const ABS_NEG: Rule =
    Rule { name: "abs(−x) → abs(x)", reason: "the sign bit is cleared anyway" };
const SELECT_CONSTANT: Rule = Rule { name: "select by a constant", reason: "one side is taken" };
const SELECT_SAME: Rule = Rule { name: "select(m,a,a) → a", reason: "both sides are the same" };
const SELECT_NOT: Rule =
    Rule { name: "select(¬m,a,b) → select(m,b,a)", reason: "no arithmetic" };
const SELECT_NESTED: Rule =
    Rule { name: "select by one mask twice", reason: "the inner side that is taken is known" };
const LOGIC: Rule = Rule { name: "neutral truth value", reason: "no arithmetic" };
const NO_CAST: Rule = Rule { name: "cast to the same type", reason: "nothing is converted" };
const NO_MOVE: Rule = Rule { name: "move nothing", reason: "every element stays where it is" };
const NO_STOP: Rule =
    Rule { name: "stop_gradient(x) → x", reason: "differentiation comes before the passes" };

/// What a node becomes.
enum Becomes {
    /// An existing value.
    Value(Value),
    /// A new node.
    Node(Op, Vec<Value>),
    /// A product with a number.
    Scaled(Value, f64),
}
use Becomes::{Node, Scaled};

fn simplify(
    graph: &mut Graph,
    id: NodeId,
    rewrites: &mut Rewrites,
) -> Result<Option<Value>, Mistake> {
    let Some((rule, becomes)) = identity(graph, id) else { return Ok(None) };
    if !rewrites.allow(rule, graph, id) {
        return Ok(None);
    }
    let (ty, origin) = (graph.ty(id.into()).clone(), graph.node(id).origin.clone());
    let value = match becomes {
        Becomes::Value(value) => value,
        Node(op, operands) => graph.add(op, &operands, origin.clone())?,
        Scaled(x, factor) => {
            let factor = Data::from_f64(ty.dtype, &[factor]);
            let factor = add_splat(graph, &factor, Default::default(), origin.clone())?;
            graph.add(ops::Mul, &[x, factor], origin.clone())?
        }
    };
    if graph.ty(value).shape == ty.shape {
        return Ok(Some(value));
    }
    // The removed operand gave the result its shape.
    graph.add(ops::Broadcast { shape: ty.shape }, &[value], origin).map(Some)
}

type Identity = Option<(&'static Rule, Becomes)>;

fn identity(graph: &Graph, id: NodeId) -> Identity {
    let node = graph.node(id);
    match (&node.op, graph.operands(id).as_slice()) {
        (Op::Mul(_), &[a, b]) => product(graph, node.types[0].dtype, a, b),
        (Op::Div(_), &[a, b]) if is_splat_of(graph, b, 1.0) => value(&DIV_ONE, a),
        (Op::Div(_), &[a, b]) => reciprocal(graph, b).map(|c| (&DIV_POWER, Scaled(a, c))),
        (Op::Add(_), &[a, b]) => sum(graph, node.types[0].dtype, a, b),
        (Op::Sub(_), &[a, b]) if is_splat_of(graph, b, 0.0) => value(&SUB_ZERO, a),
        (Op::Sub(_), &[a, b]) => {
            Some((&SUB_NEG, Node(ops::Add.into(), vec![a, negated(graph, b)?])))
        }
        (Op::Neg(_), &[a]) => match negated(graph, a) {
            Some(x) => value(&NEG_NEG, x),
            None => scaled(graph, a).map(|(x, c)| (&NEG_SCALED, Scaled(x, -c))),
        },
        (Op::Max(_) | Op::Min(_), &[a, b]) if a == b => value(&SAME_EXTREMUM, a),
        (op, &[a]) if is_idempotent(op) && graph.node(a.node).op == *op => value(&IDEMPOTENT, a),
        // On `u8`, −x wraps to another value and abs keeps it.
        (Op::Abs(_), &[a]) if graph.ty(a).dtype != DType::U8 => {
            Some((&ABS_NEG, Node(ops::Abs.into(), vec![negated(graph, a)?])))
        }
        (Op::Select(_), &[m, a, b]) => select(graph, m, a, b),
        (Op::Not(_) | Op::And(_) | Op::Or(_), operands) => logic(graph, &node.op, operands),
        (Op::Cast(cast), &[a]) if cast.dtype == graph.ty(a).dtype => value(&NO_CAST, a),
        (Op::StopGradient(_), &[a]) => value(&NO_STOP, a),
        (_, &[a]) => unmoved(graph, id, a).and_then(|a| value(&NO_MOVE, a)),
        _ => None,
    }
}

fn value(rule: &'static Rule, value: Value) -> Identity {
    Some((rule, Becomes::Value(value)))
}

/// x if the value is −x.
fn negated(graph: &Graph, value: Value) -> Option<Value> {
    matches!(graph.node(value.node).op, Op::Neg(_)).then(|| graph.operands(value.node)[0])
}

fn is_idempotent(op: &Op) -> bool {
    matches!(op, Op::Relu(_) | Op::Abs(_) | Op::Floor(_) | Op::Flush(_) | Op::Sign(_))
}

fn product(graph: &Graph, dtype: DType, a: Value, b: Value) -> Identity {
    let factor = |number: f64| match () {
        () if is_splat_of(graph, b, number) => Some(a),
        () if is_splat_of(graph, a, number) => Some(b),
        () => None,
    };
    if let Some(x) = factor(1.0) {
        return value(&MUL_ONE, x);
    }
    let x = factor(-1.0).filter(|_| dtype != DType::U8)?;
    Some((&MUL_MINUS_ONE, Node(ops::Neg.into(), vec![x])))
}

fn sum(graph: &Graph, dtype: DType, a: Value, b: Value) -> Identity {
    let zero = if dtype.is_float() { -0.0 } else { 0.0 };
    let difference = |x, y| Some((&ADD_NEG, Node(ops::Sub.into(), vec![x, y])));
    match (negated(graph, a), negated(graph, b)) {
        _ if is_splat_of(graph, b, zero) => value(&ADD_ZERO, a),
        _ if is_splat_of(graph, a, zero) => value(&ADD_ZERO, b),
        (_, Some(y)) => difference(a, y),
        (Some(x), None) => difference(b, x),
        (None, None) => None,
    }
}

fn logic(graph: &Graph, op: &Op, operands: &[Value]) -> Identity {
    match *operands {
        [a] => match &graph.node(a.node).op {
            Op::Not(_) => value(&LOGIC, graph.operands(a.node)[0]),
            _ => None,
        },
        [a, b] => {
            let neutral = f64::from(u8::from(matches!(op, Op::And(_))));
            match () {
                () if a == b || is_splat_of(graph, b, neutral) => value(&LOGIC, a),
                () if is_splat_of(graph, a, neutral) => value(&LOGIC, b),
                () => None,
            }
        }
        _ => None,
    }
}

/// The value that a node equals because it moves no element; `a` is its operand.
fn unmoved(graph: &Graph, id: NodeId, a: Value) -> Option<Value> {
    let node = graph.node(id);
    match &node.op {
        Op::Reverse(reverse) => {
            let shape = &graph.ty(a).shape;
            match &graph.node(a.node).op {
                _ if reverse.axes.iter().all(|&axis| shape[axis] <= 1) => Some(a),
                Op::Reverse(other) if other.axes == reverse.axes => Some(graph.operands(a.node)[0]),
                _ => None,
            }
        }
        // A slice is ascending: with as many elements as its operand, it has all of them in order.
        Op::Slice(_) | Op::Pad(_) => (*graph.ty(a) == node.types[0]).then_some(a),
        Op::Concat(_) => Some(a),
        _ => None,
    }
}

fn select(graph: &Graph, m: Value, a: Value, b: Value) -> Identity {
    let same_mask = |value: Value| {
        let nested = graph.operands(value.node);
        let is_select = matches!(graph.node(value.node).op, Op::Select(_)) && nested[0] == m;
        is_select.then(|| (nested[1], nested[2]))
    };
    let node = |rule, m, a, b| Some((rule, Node(ops::Select.into(), vec![m, a, b])));
    if let Some(mask) = splat(graph, m) {
        let taken = if *mask.value() == Data::Bool(vec![true]) { a } else { b };
        return Some((&SELECT_CONSTANT, Becomes::Value(taken)));
    }
    if a == b {
        return Some((&SELECT_SAME, Becomes::Value(a)));
    }
    if matches!(graph.node(m.node).op, Op::Not(_)) {
        return node(&SELECT_NOT, graph.operands(m.node)[0], b, a);
    }
    if let Some((taken, _)) = same_mask(a) {
        return node(&SELECT_NESTED, m, taken, b);
    }
    if let Some((_, taken)) = same_mask(b) {
        return node(&SELECT_NESTED, m, a, taken);
    }
    None
}

/// x and c if the value is c·x, or x·c, for a float constant c.
fn scaled(graph: &Graph, value: Value) -> Option<(Value, f64)> {
    let factors = graph.operands(value.node);
    let (Op::Mul(_), true) = (&graph.node(value.node).op, graph.ty(value).dtype.is_float()) else {
        return None;
    };
    let number = |value| Some(splat(graph, value)?.value().to_f64()[0]);
    let (x, c) = match number(factors[1]) {
        Some(c) => (factors[0], c),
        None => (factors[1], number(factors[0])?),
    };
    Some((x, c))
}

/// 1/c if c is a power of two, so that dividing by c and multiplying by 1/c round alike.
fn reciprocal(graph: &Graph, divisor: Value) -> Option<f64> {
    let constant = splat(graph, divisor)?;
    let c = constant.value().to_f64()[0];
    let power = c.is_normal() && c.to_bits().trailing_zeros() >= 52;
    let smallest = match constant.ty().dtype {
        DType::F32 | DType::BF16 => f64::from(f32::MIN_POSITIVE),
        DType::F64 => f64::MIN_POSITIVE,
        DType::F16 => 2.0f64.powi(-14),
        _ => return None,
    };
    let reciprocal = 1.0 / c;
    let representable =
        Data::from_f64(constant.ty().dtype, &[reciprocal]).to_f64()[0] == reciprocal;
    (power && reciprocal.abs() >= smallest && representable).then_some(reciprocal)
}

#[cfg(test)]
mod tests {
    use super::AlgebraicSimplification;
    use crate::testing::{refuses, run};

    /// A graph whose lines compute `%y` of `%x`, `%z` and numbers.
    fn text(dtype: &str, lines: &str) -> String {
        format!(
            "graph f(%x: {dtype}[9], %z: {dtype}[9], %m: bool[9], %n: bool[9]) {{ {lines} return %y }}"
        )
    }

    /// The body after the pass.
    fn simplified(dtype: &str, lines: &str) -> String {
        let text = run(AlgebraicSimplification, &text(dtype, lines));
        let lines = text.lines().filter(|line| line.starts_with("  "));
        lines.map(str::trim).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn neutral_operands_go() {
        let one = "%c: f32[] = constant {value=1} ";
        let zero = "%c: f32[] = constant {value=0} ";
        let minus_zero = "%c: f32[] = constant {value=-0} ";
        for (constant, op) in [
            (one, "mul %x, %c"),
            (one, "mul %c, %x"),
            (one, "div %x, %c"),
            (zero, "sub %x, %c"),
            (minus_zero, "add %x, %c"),
            (minus_zero, "add %c, %x"),
        ] {
            assert_eq!(
                simplified("f32", &format!("{constant} %y: f32[9] = {op}")),
                "return %x",
                "{op}"
            );
        }
        assert_eq!(
            simplified("i32", "%c: i32[] = constant {value=0} %y: i32[9] = add %x, %c"),
            "return %x"
        );
    }

    #[test]
    fn operands_that_change_a_bit_stay() {
        for (number, op) in [
            ("0", "add %x, %c"),
            ("-0", "sub %x, %c"),
            ("0", "sub %c, %x"),
            ("0", "mul %x, %c"),
            ("1", "div %c, %x"),
            ("3", "div %x, %c"),
            ("nan", "div %x, %c"),
            ("0", "div %x, %c"),
            ("inf", "div %x, %c"),
            // 2⁻¹²⁷ and 2⁻¹²⁹, the reciprocals, are subnormal.
            ("1.7014118e38", "div %x, %c"),
            ("1e-42", "div %x, %c"),
        ] {
            let lines = format!("%c: f32[] = constant {{value={number}}} %y: f32[9] = {op}");
            refuses(AlgebraicSimplification, &text("f32", &lines));
        }
        refuses(AlgebraicSimplification, &text("f32", "%y: f32[9] = sub %x, %x"));
        refuses(AlgebraicSimplification, &text("f32", "%y: f32[9] = div %x, %x"));
        refuses(AlgebraicSimplification, &text("f32", "%y: f32[9] = max %x, %z"));
    }

    #[test]
    fn dividing_by_powers_of_two_is_multiplying() {
        let divided = |dtype: &str, number: &str| {
            simplified(
                dtype,
                &format!("%c: {dtype}[] = constant {{value={number}}} %y: {dtype}[9] = div %x, %c"),
            )
        };
        insta::assert_snapshot!(divided("f32", "32"), @"%0: f32[] = constant {value=0.03125}; %1: f32[9] = mul %x, %0; return %1");
        insta::assert_snapshot!(divided("f32", "-0.5"), @"%0: f32[] = constant {value=-2}; %1: f32[9] = mul %x, %0; return %1");
        insta::assert_snapshot!(divided("bf16", "8"), @"%0: bf16[] = constant {value=0.125}; %1: bf16[9] = mul %x, %0; return %1");
        insta::assert_snapshot!(divided("f16", "16384"), @"%0: f16[] = constant {value=6.104e-5}; %1: f16[9] = mul %x, %0; return %1");
        // 2¹²⁶ is the largest power whose reciprocal is normal.
        insta::assert_snapshot!(divided("f32", "8.507059e37"), @"%0: f32[] = constant {value=1.1754944e-38}; %1: f32[9] = mul %x, %0; return %1");
    }

    #[test]
    fn signs_are_moved_into_other_ops() {
        let negated =
            |op: &str| simplified("f32", &format!("%1: f32[9] = neg %x %y: f32[9] = {op}"));
        insta::assert_snapshot!(negated("neg %1"), @"return %x");
        insta::assert_snapshot!(negated("abs %1"), @"%0: f32[9] = abs %x; return %0");
        insta::assert_snapshot!(negated("add %z, %1"), @"%0: f32[9] = sub %z, %x; return %0");
        insta::assert_snapshot!(negated("add %1, %z"), @"%0: f32[9] = sub %z, %x; return %0");
        insta::assert_snapshot!(negated("sub %z, %1"), @"%0: f32[9] = add %z, %x; return %0");
        let lines = "%c: f32[] = constant {value=0.1} %1: f32[9] = mul %c, %x %y: f32[9] = neg %1";
        insta::assert_snapshot!(simplified("f32", lines), @"%0: f32[] = constant {value=-0.1}; %1: f32[9] = mul %x, %0; return %1");
        let lines = "%c: f32[] = constant {value=-1} %y: f32[9] = mul %c, %x";
        insta::assert_snapshot!(simplified("f32", lines), @"%0: f32[9] = neg %x; return %0");
        refuses(
            AlgebraicSimplification,
            &text("f32", "%1: f32[9] = neg %x %y: f32[9] = sub %1, %z"),
        );
    }

    #[test]
    fn bytes_have_no_sign() {
        let lines = "%1: u8[9] = neg %x %y: u8[9] = abs %1";
        refuses(AlgebraicSimplification, &text("u8", lines));
    }

    #[test]
    fn choices_that_are_known_are_made() {
        let chosen =
            |lines: &str| simplified("f32", &format!("{lines} %y: f32[9] = select %1, %x, %z"));
        insta::assert_snapshot!(chosen("%1: bool[] = constant {value=true}"), @"return %x");
        insta::assert_snapshot!(chosen("%1: bool[9] = constant {value=false}"), @"return %z");
        insta::assert_snapshot!(chosen("%1: bool[9] = not %m"), @"%0: f32[9] = select %m, %z, %x; return %0");
        let nested = |inner: &str, outer: &str| {
            simplified("f32", &format!("%1: f32[9] = select {inner} %y: f32[9] = select {outer}"))
        };
        insta::assert_snapshot!(nested("%m, %x, %z", "%m, %1, %x"), @"return %x");
        insta::assert_snapshot!(nested("%m, %x, %z", "%m, %x, %1"), @"%0: f32[9] = select %m, %x, %z; return %0");
        insta::assert_snapshot!(nested("%m, %x, %z", "%m, %1, %1"), @"%0: f32[9] = select %m, %x, %z; return %0");
        let other_mask = "%1: f32[9] = select %n, %x, %z %y: f32[9] = select %m, %1, %z";
        refuses(AlgebraicSimplification, &text("f32", other_mask));
    }

    #[test]
    fn what_is_left_has_the_shape_of_the_result() {
        let text = "graph f(%x: f32[3,1], %a: f32[3], %b: f32[3,1]) {
            %0: f32[3,4] = constant {value=1}
            %1: f32[3,4] = mul %x, %0
            %2: bool[] = constant {value=true}
            %3: f32[3,3] = select %2, %a, %b
            return %1, %3
        }";
        insta::assert_snapshot!(run(AlgebraicSimplification, text), @r"
        graph f(%x: f32[3,1], %a: f32[3], %b: f32[3,1]) {
          %0: f32[3,4] = broadcast %x {shape=[3,4]}
          %1: f32[3,3] = broadcast %a {shape=[3,3]}
          return %0, %1
        }
        ");
    }

    #[test]
    fn doing_it_twice_or_not_at_all_is_doing_it_once() {
        for op in ["relu", "abs", "floor", "flush", "sign"] {
            let lines = format!("%1: f32[9] = {op} %x %y: f32[9] = {op} %1");
            assert_eq!(simplified("f32", &lines), format!("%0: f32[9] = {op} %x; return %0"));
        }
        for lines in [
            "%y: f32[9] = cast %x {dtype=\"f32\"}",
            "%y: f32[9] = stop_gradient %x",
            "%y: f32[9] = max %x, %x",
            "%1: f32[9] = reverse %x {axes=[0]} %y: f32[9] = reverse %1 {axes=[0]}",
            "%y: f32[9] = slice %x {starts=[0], limits=[9], strides=[1]}",
            "%y: f32[9] = concat %x {axis=0}",
        ] {
            assert_eq!(simplified("f32", lines), "return %x", "{lines}");
        }
        for lines in ["%1: bool[9] = not %m %y: bool[9] = not %1", "%y: bool[9] = and %m, %m"] {
            assert_eq!(simplified("f32", lines), "return %m", "{lines}");
        }
        refuses(AlgebraicSimplification, &text("f32", "%1: f32[9] = exp %x %y: f32[9] = exp %1"));
        refuses(AlgebraicSimplification, &text("f32", "%y: f32[9] = reverse %x {axes=[0]}"));
    }
}
