/* Finds the best elementwise kernel: the table of the instruction set in use, then those of the lower
 * ones, then the portable reference. */
#include "cpu.h"
#include "map.h"

/* The kernels of one instruction set. */
struct kernel_set {
    const bpi_map_table *plain;          /* map_plain.c */
    bpi_map_fn *const *f32, *const *f64; /* map_simd.c */
};

#define DECLARE(level)                                           \
    extern const bpi_map_table bpi_map_plain_##level;            \
    extern bpi_map_fn *const bpi_map_f32_##level[BPI_MAP_COUNT]; \
    extern bpi_map_fn *const bpi_map_f64_##level[BPI_MAP_COUNT];
#define KERNELS(level) \
    { &bpi_map_plain_##level, bpi_map_f32_##level, bpi_map_f64_##level }

#if defined(BPI_SIMD) && defined(__x86_64__)
DECLARE(sse2)
DECLARE(avx2)
DECLARE(avx512)
static const struct kernel_set sets[BPI_CPU_COUNT] = {
    [BPI_CPU_SSE2] = KERNELS(sse2),
    [BPI_CPU_AVX2] = KERNELS(avx2),
    [BPI_CPU_AVX512] = KERNELS(avx512),
};
#elif defined(BPI_SIMD) && defined(__aarch64__)
DECLARE(neon)
static const struct kernel_set sets[BPI_CPU_COUNT] = {[BPI_CPU_NEON] = KERNELS(neon)};
#else
static const struct kernel_set sets[BPI_CPU_COUNT];
#endif

static bpi_map_fn *find(const struct kernel_set *set, enum bpi_map_slot slot, bp_dtype dtype) {
    if (!set->plain)
        return NULL;
    if (dtype == BP_F32 && set->f32[slot])
        return set->f32[slot];
    if (dtype == BP_F64 && set->f64[slot])
        return set->f64[slot];
    return (*set->plain)[slot][dtype];
}

bpi_map_fn *bpi_map(enum bpi_map_slot slot, bp_dtype dtype) {
    bpi_map_fn *reference = bpi_map_reference(slot, dtype), *found = NULL;
    for (int level = (int)bpi_cpu_level(); reference && !found && level >= 0; level--)
        found = find(&sets[level], slot, dtype);
    return found ? found : reference;
}

#define MAP_NAME(constant, name, arity) [BPI_MAP_##constant] = {#name, arity},
static const struct {
    const char *name;
    int arity;
} slots[BPI_MAP_COUNT] = {{"none", 0}, BPI_MAP_LIST(MAP_NAME)};
#undef MAP_NAME

const char *bpi_map_name(enum bpi_map_slot slot) {
    return slots[(unsigned)slot < BPI_MAP_COUNT ? slot : BPI_MAP_NONE].name;
}

int bpi_map_arity(enum bpi_map_slot slot) {
    return slots[(unsigned)slot < BPI_MAP_COUNT ? slot : BPI_MAP_NONE].arity;
}
