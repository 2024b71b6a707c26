/* The kernels of a family, bpi_FAMILY_f32_avx2 and so on, which kernel/meson.build compiles once per
 * instruction set: BPI_WIDE_TABLES is for families that have none for SSE2, BPI_ALL_TABLES for the
 * others. Both define table_of(dtype), the one of the instruction set in use; NULL where there is
 * none. */
#ifndef BPI_KERNEL_TABLES_H
#define BPI_KERNEL_TABLES_H

#include <stddef.h>

#include <backprop/base.h>

#include "cpu.h"

#define BPI_TABLE_OF(type)                                            \
    static inline const type *table_of(bp_dtype dtype) {              \
        const bool has = dtype == BP_F32 || dtype == BP_F64;          \
        return has ? tables[bpi_cpu_level()][dtype == BP_F64] : NULL; \
    }

#define BPI_BOTH(type, family, level) \
    extern const type bpi_##family##_f32_##level, bpi_##family##_f64_##level;
#define BPI_ENTRY(family, level) \
    { &bpi_##family##_f32_##level, &bpi_##family##_f64_##level }

#if defined(BPI_SIMD) && defined(__x86_64__)
#define BPI_WIDE_TABLES(type, family)                     \
    BPI_BOTH(type, family, avx2)                          \
    BPI_BOTH(type, family, avx512)                        \
    static const type *const tables[BPI_CPU_COUNT][2] = { \
        [BPI_CPU_AVX2] = BPI_ENTRY(family, avx2),         \
        [BPI_CPU_AVX512] = BPI_ENTRY(family, avx512),     \
    };                                                    \
    BPI_TABLE_OF(type)
#define BPI_ALL_TABLES(type, family)                      \
    BPI_BOTH(type, family, sse2)                          \
    BPI_BOTH(type, family, avx2)                          \
    BPI_BOTH(type, family, avx512)                        \
    static const type *const tables[BPI_CPU_COUNT][2] = { \
        [BPI_CPU_SSE2] = BPI_ENTRY(family, sse2),         \
        [BPI_CPU_AVX2] = BPI_ENTRY(family, avx2),         \
        [BPI_CPU_AVX512] = BPI_ENTRY(family, avx512),     \
    };                                                    \
    BPI_TABLE_OF(type)
#elif defined(BPI_SIMD) && defined(__aarch64__)
#define BPI_WIDE_TABLES(type, family)                                                  \
    BPI_BOTH(type, family, neon)                                                       \
    static const type *const tables[BPI_CPU_COUNT][2] = {[BPI_CPU_NEON] =              \
                                                             BPI_ENTRY(family, neon)}; \
    BPI_TABLE_OF(type)
#define BPI_ALL_TABLES BPI_WIDE_TABLES
#else
#define BPI_WIDE_TABLES(type, family)                          \
    static const type *const tables[BPI_CPU_COUNT][2] = {{0}}; \
    BPI_TABLE_OF(type)
#define BPI_ALL_TABLES BPI_WIDE_TABLES
#endif

#endif
