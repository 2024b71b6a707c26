/* Sums and maxima over any set of axes: the geometry, the references and the choice by dtype; the
 * loops over rows and columns are in reduce_sum.inc and reduce_max.inc. */
#include "reduce.h"

#include <string.h>

#include "copy.h"
#include "exact.h"
#include "rows.h"

void bpi_reduction_of(const bp_shape *shape, unsigned mask, bpi_reduction *r) {
    int64_t stride[BP_MAX_RANK], below = 1, above = bp_shape_count(*shape);
    bool open = false; /* the dimension below belongs to the last pass */
    bpi_strides(shape, stride);
    *r = (bpi_reduction){.results = 1, .length = 1};
    for (int k = 0; k < shape->rank; k++) {
        bool gone = mask >> k & 1u;
        int64_t *size = gone ? r->reduced_size : r->kept_size;
        int64_t *step = gone ? r->reduced_stride : r->kept_stride;
        int *rank = gone ? &r->reduced : &r->kept;
        size[*rank] = shape->size[k];
        step[(*rank)++] = stride[k];
        *(gone ? &r->length : &r->results) *= shape->size[k];
    }
    if (above == 0)
        return; /* nothing to run over */
    for (int k = shape->rank - 1; k >= 0; k--) {
        int64_t size = shape->size[k];
        if (size == 1)
            continue;
        above /= size;
        if (!(mask >> k & 1u)) {
            below *= size;
            open = false;
        } else if (open) {
            r->pass[r->passes - 1].n *= size;
            r->pass[r->passes - 1].outer = above;
        } else {
            r->pass[r->passes++] = (bpi_pass){above, size, below};
            open = true;
        }
    }
}

/* The bytes that pass number `k` leaves for the next one, rounded up so that both buffers are
 * aligned. */
static size_t between(const bpi_reduction *r, int k, size_t item) {
    if (k >= r->passes - 1)
        return 0;
    return ((size_t)(r->pass[k].outer * r->pass[k].inner) * item + 63) / 64 * 64;
}

size_t bpi_reduction_workspace(const bpi_reduction *r, size_t item) {
    return between(r, 0, item) + between(r, 1, item);
}

typedef void pass_fn(const bpi_pass *pass, const void *x, void *y);
typedef void run_fn(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y);

/* Runs the passes one after the other, by turns through the two buffers of the workspace. */
static void run_passes(const bpi_reduction *r, bp_dtype dtype, run_fn *run, const void *x, void *y,
                       void *workspace) {
    size_t item = bp_dtype_size(dtype);
    char *buffer[2] = {workspace, workspace ? (char *)workspace + between(r, 0, item) : NULL};
    if (r->passes == 0 && r->results > 0)
        memcpy(y, x, (size_t)r->results * item);
    for (int k = 0; k < r->passes; k++) {
        void *out = k == r->passes - 1 ? y : buffer[k % 2];
        run(&r->pass[k], dtype, x, out);
        x = out;
    }
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* What the references add in. Integers wrap, as unsigned numbers do. */
#define SUM bpi_exact
#define ADD(sum, x) bpi_exact_add(&(sum), x)
#define VALUE(sum) bpi_exact_value(&(sum))
#define IN float
#define WIDE 64
#define SUFFIX f32
#include "reduce_sum.inc"
#define IN double
#define WIDE 32
#define SUFFIX f64
#include "reduce_sum.inc"
#undef SUM
#undef ADD
#undef VALUE

#define SUM uint64_t
#define ADD(sum, x) (sum) += (x)
#define VALUE(sum) (sum)
#define IN uint32_t
#define WIDE 64
#define SUFFIX i32
#include "reduce_sum.inc"
#define IN uint64_t
#define WIDE 32
#define SUFFIX i64
#include "reduce_sum.inc"
#undef SUM
#undef ADD
#undef VALUE

void bpi_sum_reference(const bpi_reduction *r, bp_dtype dtype, const void *x, void *y) {
    static void (*const sums[])(const bpi_reduction *, const void *, void *) = SIGNED(reference);
    sums[dtype](r, x, y);
}

static pass_fn *const sum_passes[] = SIGNED(sum_pass);

void bpi_sum_pass(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y) {
    const bpi_rows *rows = bpi_rows_for(dtype);
    (rows ? rows->sum : sum_passes[dtype])(pass, x, y);
}

void bpi_sum_fast(const bpi_reduction *r, bp_dtype dtype, const void *x, void *y, void *workspace) {
    size_t item = bp_dtype_size(dtype);
    if (r->length == 0 && r->results > 0)
        memset(y, 0, (size_t)r->results * item);
    else
        run_passes(r, dtype, bpi_sum_pass, x, y, workspace);
}

/* ---- maxima ---------------------------------------------------------------------------------- */

#define IS_NAN(value) ((value) != (value))
#define IN float
#define SUFFIX f32
#include "reduce_max.inc"
#define IN double
#define SUFFIX f64
#include "reduce_max.inc"
#undef IS_NAN
#define IS_NAN(value) false
#define IN int32_t
#define SUFFIX i32
#include "reduce_max.inc"
#define IN int64_t
#define SUFFIX i64
#include "reduce_max.inc"
#define IN uint8_t
#define SUFFIX u8
#include "reduce_max.inc"

/* A bool is 0 or 1 in one byte: the functions of u8 serve it. */
#define MAXIMA(f) \
    { f##_f32, f##_f64, f##_i32, f##_i64, f##_u8, f##_u8 }

void bpi_max_reference(const bpi_reduction *r, bp_dtype dtype, const void *x, void *y) {
    static void (*const maxima[])(const bpi_reduction *, const void *, void *) =
        MAXIMA(max_reference);
    maxima[dtype](r, x, y);
}

static pass_fn *const max_passes[] = MAXIMA(max_pass);

void bpi_max_pass(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y) {
    const bpi_rows *rows = bpi_rows_for(dtype);
    (rows ? rows->max : max_passes[dtype])(pass, x, y);
}

void bpi_max_fast(const bpi_reduction *r, bp_dtype dtype, const void *x, void *y, void *workspace) {
    run_passes(r, dtype, bpi_max_pass, x, y, workspace);
}

void bpi_argmax(const bpi_pass *pass, bp_dtype dtype, const void *x, int64_t *y) {
    static void (*const finds[])(const bpi_pass *, const void *, int64_t *) = MAXIMA(argmax);
    finds[dtype](pass, x, y);
}
