/* Finds the best elementwise kernel: the table of the instruction set in use, then those of the
 * lower ones, then the portable reference. */
#include "cpu.h"
#include "map.h"

/* The kernels of one instruction set; NULL where it has none of a kind. */
struct kernel_set {
    bpi_map_fn *const *f32, *const *f64; /* map_simd.c */
    const bpi_map_table *plain;          /* map_plain.c */
};

#if defined(BPI_SIMD) && defined(__x86_64__)
extern bpi_map_fn *const bpi_map_f32_sse2[], *const bpi_map_f64_sse2[];
extern bpi_map_fn *const bpi_map_f32_avx2[], *const bpi_map_f64_avx2[];
extern bpi_map_fn *const bpi_map_f32_avx512[], *const bpi_map_f64_avx512[];
extern const bpi_map_table bpi_map_plain_avx2, bpi_map_plain_avx512;
static const struct kernel_set sets[BPI_CPU_COUNT] = {
    [BPI_CPU_SSE2] = {bpi_map_f32_sse2, bpi_map_f64_sse2, NULL},
    [BPI_CPU_AVX2] = {bpi_map_f32_avx2, bpi_map_f64_avx2, &bpi_map_plain_avx2},
    [BPI_CPU_AVX512] = {bpi_map_f32_avx512, bpi_map_f64_avx512, &bpi_map_plain_avx512},
};
#elif defined(BPI_SIMD) && defined(__aarch64__)
extern bpi_map_fn *const bpi_map_f32_neon[], *const bpi_map_f64_neon[];
static const struct kernel_set sets[BPI_CPU_COUNT] = {
    [BPI_CPU_NEON] = {bpi_map_f32_neon, bpi_map_f64_neon, NULL},
};
#else
static const struct kernel_set sets[BPI_CPU_COUNT];
#endif

static bpi_map_fn *find(const struct kernel_set *set, enum bpi_map_slot slot, bp_dtype dtype) {
    bpi_map_fn *found = NULL;
    if (dtype == BP_F32 && set->f32)
        found = set->f32[slot];
    if (dtype == BP_F64 && set->f64)
        found = set->f64[slot];
    if (!found && set->plain)
        found = (*set->plain)[slot][dtype];
    return found;
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
