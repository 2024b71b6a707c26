/* Finds the pipes of the instruction set in use. With SSE2 there are none: its registers hold so
 * little that the jumps would take longer than the passes do. */
#include "pipe.h"

#include <stddef.h>

#include "cpu.h"

#define DECLARE(level) extern const bpi_pipe bpi_pipe_f32_##level, bpi_pipe_f64_##level;
#define KERNELS(level) \
    { &bpi_pipe_f32_##level, &bpi_pipe_f64_##level }

#if defined(BPI_SIMD) && defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
static const bpi_pipe *const tables[BPI_CPU_COUNT][2] = {
    [BPI_CPU_AVX2] = KERNELS(avx2),
    [BPI_CPU_AVX512] = KERNELS(avx512),
};
#elif defined(BPI_SIMD) && defined(__aarch64__)
DECLARE(neon)
static const bpi_pipe *const tables[BPI_CPU_COUNT][2] = {[BPI_CPU_NEON] = KERNELS(neon)};
#else
static const bpi_pipe *const tables[BPI_CPU_COUNT][2];
#endif

const bpi_pipe *bpi_pipe_for(bp_dtype dtype) {
    return dtype == BP_F32 || dtype == BP_F64 ? tables[bpi_cpu_level()][dtype == BP_F64] : NULL;
}

bpi_pipe_fn *bpi_pipe_find(const bpi_pipe *pipe, enum bpi_map_slot slot, int group, bool scalar) {
    for (const bpi_pipe_op *op = pipe->ops; op < pipe->ops + pipe->op_count; op++)
        if (op->slot == slot && (op->group & group) && op->scalar == scalar)
            return op->run;
    return NULL;
}
