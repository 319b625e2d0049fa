//! Instructions that compute lanes, of 128 and 256 bits.

use iced_x86::{Code::*, Register::*};

use super::vectors::{X, Y, one_source, one_source_and, two_sources, two_sources_and};

#[test]
fn arithmetic() {
    two_sources(
        Y,
        &[
            VEX_Vaddps_ymm_ymm_ymmm256,
            VEX_Vsubps_ymm_ymm_ymmm256,
            VEX_Vmulps_ymm_ymm_ymmm256,
            VEX_Vdivps_ymm_ymm_ymmm256,
            VEX_Vminps_ymm_ymm_ymmm256,
            VEX_Vmaxps_ymm_ymm_ymmm256,
            VEX_Vandps_ymm_ymm_ymmm256,
            VEX_Vandnps_ymm_ymm_ymmm256,
            VEX_Vorps_ymm_ymm_ymmm256,
            VEX_Vxorps_ymm_ymm_ymmm256,
            VEX_Vpand_ymm_ymm_ymmm256,
            VEX_Vpandn_ymm_ymm_ymmm256,
            VEX_Vpor_ymm_ymm_ymmm256,
            VEX_Vpxor_ymm_ymm_ymmm256,
            VEX_Vpaddd_ymm_ymm_ymmm256,
            VEX_Vpsubd_ymm_ymm_ymmm256,
            VEX_Vpmulld_ymm_ymm_ymmm256,
            VEX_Vpmuludq_ymm_ymm_ymmm256,
            VEX_Vpaddq_ymm_ymm_ymmm256,
            VEX_Vpsubq_ymm_ymm_ymmm256,
            VEX_Vpminsd_ymm_ymm_ymmm256,
            VEX_Vpmaxsd_ymm_ymm_ymmm256,
            VEX_Vpminud_ymm_ymm_ymmm256,
            VEX_Vpmaxud_ymm_ymm_ymmm256,
            VEX_Vpcmpeqd_ymm_ymm_ymmm256,
            VEX_Vpcmpgtd_ymm_ymm_ymmm256,
        ],
    );
    two_sources(
        X,
        &[
            VEX_Vaddps_xmm_xmm_xmmm128,
            VEX_Vpmulld_xmm_xmm_xmmm128,
            VEX_Vaddss_xmm_xmm_xmmm32,
            VEX_Vsubss_xmm_xmm_xmmm32,
            VEX_Vmulss_xmm_xmm_xmmm32,
            VEX_Vdivss_xmm_xmm_xmmm32,
            VEX_Vminss_xmm_xmm_xmmm32,
            VEX_Vmaxss_xmm_xmm_xmmm32,
            VEX_Vsqrtss_xmm_xmm_xmmm32,
        ],
    );
    one_source(
        YMM1,
        YMM2,
        &[
            VEX_Vsqrtps_ymm_ymmm256,
            VEX_Vcvttps2dq_ymm_ymmm256,
            VEX_Vcvtps2dq_ymm_ymmm256,
            VEX_Vcvtdq2ps_ymm_ymmm256,
            VEX_Vpabsd_ymm_ymmm256,
        ],
    );
}

#[test]
fn arithmetic_with_immediates() {
    one_source_and(
        Y,
        &[
            VEX_Vpslld_ymm_ymm_imm8,
            VEX_Vpsrld_ymm_ymm_imm8,
            VEX_Vpsrad_ymm_ymm_imm8,
            VEX_Vpsllq_ymm_ymm_imm8,
            VEX_Vpsrlq_ymm_ymm_imm8,
        ],
        &[0, 1, 9, 31, 32, 63, 64, 255],
    );
    one_source_and(Y, &[VEX_Vroundps_ymm_ymmm256_imm8], &[0, 1, 2, 3, 4, 8, 9, 12]);
    two_sources_and(X, &[VEX_Vroundss_xmm_xmm_xmmm32_imm8], &[0, 9]);
    let predicates: Vec<i32> = (0..32).collect();
    two_sources_and(Y, &[VEX_Vcmpps_ymm_ymm_ymmm256_imm8], &predicates);
}

#[test]
fn multiply_adds() {
    two_sources(
        Y,
        &[
            VEX_Vfmadd132ps_ymm_ymm_ymmm256,
            VEX_Vfmadd213ps_ymm_ymm_ymmm256,
            VEX_Vfmadd231ps_ymm_ymm_ymmm256,
            VEX_Vfmsub132ps_ymm_ymm_ymmm256,
            VEX_Vfmsub213ps_ymm_ymm_ymmm256,
            VEX_Vfmsub231ps_ymm_ymm_ymmm256,
            VEX_Vfnmadd132ps_ymm_ymm_ymmm256,
            VEX_Vfnmadd213ps_ymm_ymm_ymmm256,
            VEX_Vfnmadd231ps_ymm_ymm_ymmm256,
            VEX_Vfnmsub132ps_ymm_ymm_ymmm256,
            VEX_Vfnmsub213ps_ymm_ymm_ymmm256,
            VEX_Vfnmsub231ps_ymm_ymm_ymmm256,
        ],
    );
    two_sources(
        X,
        &[
            VEX_Vfmadd213ps_xmm_xmm_xmmm128,
            VEX_Vfmadd132ss_xmm_xmm_xmmm32,
            VEX_Vfmadd213ss_xmm_xmm_xmmm32,
            VEX_Vfmadd231ss_xmm_xmm_xmmm32,
            VEX_Vfnmadd231ss_xmm_xmm_xmmm32,
            VEX_Vfmsub213ss_xmm_xmm_xmmm32,
        ],
    );
}
