/* Detection of the instruction set, once per process. AVX2 means AVX2 + FMA, AVX-512 means F, DQ,
 * BW and VL. `__builtin_cpu_supports` also asks whether the operating system
 * saves the registers. */
#include "cpu.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LEVEL_NAME(constant, name) #name,
static const char *const level_names[] = {BPI_CPU_LIST(LEVEL_NAME)};
#undef LEVEL_NAME

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool supported[BPI_CPU_COUNT];
static enum bpi_cpu_level chosen;

static void ask_cpu(void) {
    supported[BPI_CPU_REFERENCE] = true;
#if defined(BPI_SIMD) && defined(__x86_64__)
    __builtin_cpu_init();
    supported[BPI_CPU_SSE2] = true;
    supported[BPI_CPU_AVX2] = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#if defined(BPI_EMULATE_AVX512)
    supported[BPI_CPU_AVX512] = supported[BPI_CPU_AVX2];
#else
    supported[BPI_CPU_AVX512] = supported[BPI_CPU_AVX2] && __builtin_cpu_supports("avx512f") &&
                                __builtin_cpu_supports("avx512dq") &&
                                __builtin_cpu_supports("avx512bw") &&
                                __builtin_cpu_supports("avx512vl");
#endif
#elif defined(BPI_SIMD) && defined(__aarch64__)
    supported[BPI_CPU_NEON] = true;
#endif
}

/* The best level, unless the environment names another one that is supported. */
static void choose(void) {
    ask_cpu();
    const char *wanted = getenv("BP_ISA");
    for (int level = 0; level < BPI_CPU_COUNT; level++)
        if (supported[level])
            chosen = (enum bpi_cpu_level)level;
    for (int level = 0; wanted && level < BPI_CPU_COUNT; level++)
        if (supported[level] && strcmp(wanted, level_names[level]) == 0)
            chosen = (enum bpi_cpu_level)level;
}

enum bpi_cpu_level bpi_cpu_level(void) {
    pthread_once(&once, choose);
    return chosen;
}

const char *bpi_cpu_level_name(enum bpi_cpu_level level) {
    return (unsigned)level < BPI_CPU_COUNT ? level_names[level] : "?";
}

const char *bpi_cpu_name(void) { return bpi_cpu_level_name(bpi_cpu_level()); }

bool bpi_cpu_has(enum bpi_cpu_level level) {
    pthread_once(&once, choose);
    return (unsigned)level < BPI_CPU_COUNT && supported[level];
}

bool bpi_cpu_force(enum bpi_cpu_level level) {
    if (!bpi_cpu_has(level))
        return false;
    chosen = level;
    return true;
}
