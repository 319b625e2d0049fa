//! erf x = 2/√π · ∫₀ˣ e^(−t²) dt.
//!
//! With y = |x|:
//!
//! 1. y is limited to 4, in `f64` to 6, where erf has long rounded to 1. NaN stays.
//! 2. Below 0.9, erf y ≈ fma(y, P(y²), y), where P(0) = 2/√π − 1. P is of degree 6 in `f32` and 11
//!    in `f64`; it minimises the largest relative error (Remez's exchange): 2⁻³⁰·¹ and 2⁻⁵⁶·² with
//!    rounded coefficients. Tiny arguments round once.
//! 3. From there on, erf y = 1 − e^(−y²)·G(u), where u = (y − 3) / (y + 3). G(u) = e^(y²)·erfc y
//!    has no zeros or poles nearby, so that degrees 5 and 12 are enough for 2⁻²⁹·¹ and 2⁻⁵⁹·² of
//!    erf y. The product's rounding errors are relative to erfc 0.9 = 0.2 at most.
//! 4. The sign of x is put back: erf(−x) = −erf x, bit for bit, zeros included.
//!
//! At most 2 ULP off (`tests/math`). 46 and 63 operations, one of them a division.

use super::{Lanes, Width, polynomial};

/// Where the second formula begins.
const BORDER: f64 = 0.9;

const NEAR_32: [f64; 7] = [
    0.128_379_17,
    -0.376_126_35,
    0.112_837_15,
    -0.026_860_509,
    0.005_203_859,
    -0.000_817_563_8,
    0.000_085_131_003,
];
const FAR_32: [f64; 6] =
    [0.179_000_18, -0.326_258_18, 0.245_360_36, -0.151_351_91, 0.068_154_31, -0.029_938_404];

const NEAR_64: [f64; 12] = [
    0.128_379_167_095_512_6,
    -0.376_126_389_031_841_1,
    0.112_837_916_709_720_39,
    -0.026_866_170_648_260_558,
    0.005_223_977_655_077_656,
    -0.000_854_832_865_231_651_8,
    0.000_120_553_882_261_501_66,
    -1.492_683_001_388_814_1e-5,
    1.647_763_541_931_533_3e-6,
    -1.647_970_098_396_656_7e-7,
    1.509_828_248_640_866_8e-8,
    -1.082_494_787_781_823_5e-9,
];
const FAR_64: [f64; 13] = [
    0.179_001_151_181_385_76,
    -0.326_233_560_043_514_45,
    0.245_603_801_701_766_97,
    -0.150_115_936_529_514_83,
    0.071_665_838_975_548_62,
    -0.024_392_469_676_672_923,
    0.004_269_374_817_902_406,
    0.000_708_925_864_062_274_6,
    -0.000_593_226_263_244_283_8,
    5.355_325_095_960_029e-5,
    7.560_402_724_703_982e-5,
    -3.702_252_351_784_584e-6,
    -5.751_053_396_938_701e-6,
];

pub(super) fn erf<L: Lanes>(l: &mut L, x: L::F) -> L::F {
    let (largest, near, far): (_, &[f64], &[f64]) = match l.width() {
        Width::W32 => (4.0, &NEAR_32, &FAR_32),
        Width::W64 => (6.0, &NEAR_64, &FAR_64),
    };
    let y = l.abs(x);
    let largest = l.float(largest);
    let too_large = l.lt(largest, y);
    let y = l.select(too_large, largest, y);
    let square = l.mul(y, y);

    let factor = polynomial(l, square, near);
    let near = l.fma(y, factor, y);

    let (three, minus_three, one) = (l.float(3.0), l.float(-3.0), l.float(1.0));
    let (below, above) = (l.add(y, minus_three), l.add(y, three));
    let u = l.div(below, above);
    let scaled = polynomial(l, u, far);
    let minus_square = l.neg(square);
    let power = l.exp(minus_square);
    let minus_power = l.neg(power);
    let far = l.fma(minus_power, scaled, one);

    let border = l.float(BORDER);
    let is_near = l.lt(y, border);
    let erf = l.select(is_near, near, far);
    let sign_bit = l.width().sign_bit();
    let sign_bit = l.int(sign_bit);
    let sign = l.bits(x);
    let sign = l.iand(sign, sign_bit);
    let erf = l.bits(erf);
    let erf = l.ior(erf, sign);
    l.from_bits(erf)
}
