/* What happens to a sum before it is stored in c; shared by the products of gemm_simd.c. */
#ifndef BPI_KERNEL_GEMM_FINISH_H
#define BPI_KERNEL_GEMM_FINISH_H

#include "gemm_simd.h"
#include "vec.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* c = alpha sum + beta c + bias, and max(0, c) with `relu`. `bias` points at the first column of what
 * is stored, or is NULL. c is not read where beta = 0. */
typedef struct finish {
    real alpha, beta;
    const real *bias;
    bool relu;
} finish;

static inline finish finish_of(const bpi_gemm_work *work) {
    const bpi_finish *f = work->finish;
    return (finish){(real)f->alpha, (real)f->beta, f->bias, f->relu};
}

/* Adds the bias of column j and those behind it, and takes the relu. */
ALWAYS_INLINE vec decorate(const finish *f, vec value, int64_t j, bool part, size_t last) {
    if (f->bias)
        value = v_add(value, part ? v_load_part(f->bias + j, last) : v_load(f->bias + j));
    return f->relu ? v_max(v_set(0), value) : value;
}

/* Stores a vector, or its first `last` lanes with `part`, at c, which is column j of the bias. */
ALWAYS_INLINE void store_sum(const finish *f, vec sum, real *c, int64_t j, bool part, size_t last) {
    vec value = v_mul(v_set(f->alpha), sum);
    if (f->beta != 0)
        value = v_fma(v_set(f->beta), part ? v_load_part(c, last) : v_load(c), value);
    value = decorate(f, value, j, part, last);
    if (part)
        v_store_part(c, value, last);
    else
        v_store(c, value);
}

#endif
