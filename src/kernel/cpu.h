/* The instruction set that the kernels use: the best of this CPU, chosen once; a lower one can be
 * forced by the environment variable BP_ISA (reference, sse2, avx2, avx512, neon). */
#ifndef BPI_KERNEL_CPU_H
#define BPI_KERNEL_CPU_H

#include <stdbool.h>

/* X(CONSTANT, name). Each level falls back on the ones before it that the build contains. */
#define BPI_CPU_LIST(X) \
    X(REFERENCE, reference) X(SSE2, sse2) X(AVX2, avx2) X(AVX512, avx512) X(NEON, neon)

#define BPI_CPU_ENUM(constant, name) BPI_CPU_##constant,
enum bpi_cpu_level { BPI_CPU_LIST(BPI_CPU_ENUM) BPI_CPU_COUNT };
#undef BPI_CPU_ENUM

/* Returns the level in use. Safe from any thread; detects on the first call. */
enum bpi_cpu_level bpi_cpu_level(void);
/* Returns its name, e.g. "avx512". */
const char *bpi_cpu_name(void);
/* Returns the name of any level; "?" for one that does not exist. */
const char *bpi_cpu_level_name(enum bpi_cpu_level level);
/* Tells whether CPU, operating system and build support a level. `BPI_CPU_REFERENCE` always is. */
bool bpi_cpu_has(enum bpi_cpu_level level);
/* Uses `level` from now on, for tests; false, and nothing changes, when it is not supported. Not to
 * be called while another thread runs kernels. */
bool bpi_cpu_force(enum bpi_cpu_level level);

/* From how many bytes on an array is taken for one that no cache keeps. */
enum { BPI_BEYOND_CACHES = 8 << 20 };

/* The rounding and exception settings of the calling thread. Results below the smallest normal
 * number are stored as they are, which costs a CPU a hundred cycles each, or, with bpi_flush_tiny,
 * as 0: a momentum that fades away would otherwise slow its update down for good. */
#if defined(__x86_64__)
static inline unsigned bpi_float_settings(void) { return __builtin_ia32_stmxcsr(); }
static inline void bpi_set_float_settings(unsigned settings) { __builtin_ia32_ldmxcsr(settings); }
#else
static inline unsigned bpi_float_settings(void) { return 0; }
static inline void bpi_set_float_settings(unsigned settings) { (void)settings; }
#endif
/* Returns the settings with which tiny results are 0; the same ones where that cannot be had, or
 * where they cost nothing. */
static inline unsigned bpi_flush_tiny(unsigned settings) {
#if defined(__x86_64__)
    enum { FLUSH_TO_ZERO = 1 << 15 }; /* of the register MXCSR */
    return settings | FLUSH_TO_ZERO;
#else
    return settings;
#endif
}

#endif
