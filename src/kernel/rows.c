/* Finds the kernels along rows of the instruction set in use. */
#include "rows.h"

#include <stddef.h>

#include "cpu.h"

#if defined(BPI_SIMD) && defined(__x86_64__)
extern const bpi_rows bpi_rows_f32_avx2, bpi_rows_f64_avx2, bpi_rows_f32_avx512,
    bpi_rows_f64_avx512;
static const bpi_rows *const tables[BPI_CPU_COUNT][2] = {
    [BPI_CPU_AVX2] = {&bpi_rows_f32_avx2, &bpi_rows_f64_avx2},
    [BPI_CPU_AVX512] = {&bpi_rows_f32_avx512, &bpi_rows_f64_avx512},
};
#elif defined(BPI_SIMD) && defined(__aarch64__)
extern const bpi_rows bpi_rows_f32_neon, bpi_rows_f64_neon;
static const bpi_rows *const tables[BPI_CPU_COUNT][2] = {
    [BPI_CPU_NEON] = {&bpi_rows_f32_neon, &bpi_rows_f64_neon},
};
#else
static const bpi_rows *const tables[BPI_CPU_COUNT][2];
#endif

const bpi_rows *bpi_rows_for(bp_dtype dtype) {
    return dtype == BP_F32 || dtype == BP_F64 ? tables[bpi_cpu_level()][dtype] : NULL;
}
