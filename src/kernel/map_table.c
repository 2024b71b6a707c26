/* Finds the best elementwise kernel: the table of the instruction set in use, then those of the lower
 * ones, then the portable reference. */
#include "cpu.h"
#include "map.h"

#if defined(BPI_SIMD) && defined(__x86_64__)
extern const bpi_map_table bpi_map_sse2, bpi_map_avx2, bpi_map_avx512;
static const bpi_map_table *const tables[BPI_CPU_COUNT] = {
    [BPI_CPU_SSE2] = &bpi_map_sse2,
    [BPI_CPU_AVX2] = &bpi_map_avx2,
    [BPI_CPU_AVX512] = &bpi_map_avx512,
};
#elif defined(BPI_SIMD) && defined(__aarch64__)
extern const bpi_map_table bpi_map_neon;
static const bpi_map_table *const tables[BPI_CPU_COUNT] = {[BPI_CPU_NEON] = &bpi_map_neon};
#else
static const bpi_map_table *const tables[BPI_CPU_COUNT];
#endif

bpi_map_fn *bpi_map(enum bpi_map_slot slot, bp_dtype dtype)
{
    bpi_map_fn *reference = bpi_map_reference(slot, dtype);
    for (int level = (int)bpi_cpu_level(); reference && level > BPI_CPU_REFERENCE; level--)
        if (tables[level] && (*tables[level])[slot][dtype])
            return (*tables[level])[slot][dtype];
    return reference;
}

#define MAP_NAME(constant, name, arity) [BPI_MAP_##constant] = {#name, arity},
static const struct {
    const char *name;
    int arity;
} slots[BPI_MAP_COUNT] = {{"none", 0}, BPI_MAP_LIST(MAP_NAME)};
#undef MAP_NAME

const char *bpi_map_name(enum bpi_map_slot slot)
{
    return slots[(unsigned)slot < BPI_MAP_COUNT ? slot : BPI_MAP_NONE].name;
}

int bpi_map_arity(enum bpi_map_slot slot)
{
    return slots[(unsigned)slot < BPI_MAP_COUNT ? slot : BPI_MAP_NONE].arity;
}
