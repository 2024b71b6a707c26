/* Finds the kernel of Adam's update for the instruction set in use. */
#include "adam.h"

#include "cpu.h"

extern bpi_adam_fn *const bpi_adam_base[2];
#if defined(BPI_SIMD) && defined(__x86_64__)
extern bpi_adam_fn *const bpi_adam_avx2[2], *const bpi_adam_avx512[2];
static bpi_adam_fn *const *const tables[BPI_CPU_COUNT] = {
    [BPI_CPU_AVX2] = bpi_adam_avx2, [BPI_CPU_AVX512] = bpi_adam_avx512};
#else
static bpi_adam_fn *const *const tables[BPI_CPU_COUNT];
#endif

bpi_adam_fn *bpi_adam_for(bp_dtype dtype) {
    bpi_adam_fn *const *table = tables[bpi_cpu_level()];
    return (table ? table : bpi_adam_base)[dtype];
}
