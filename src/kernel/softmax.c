/* softmax, log softmax and logsumexp. The fast versions work on blocks that fit the cache: as many
 * rows as do, so that short rows share one call of the vectorised exponential. */
#include "softmax.h"

#include <math.h>
#include <stddef.h>

#include "copy.h"
#include "map.h"
#include "map_names.inc"
#include "rows.h"

enum { BLOCK = 4096, GROUP = 64 };

/* The rows that make a block. */
static int64_t block_rows(const bpi_pass *pass) {
    int64_t row = pass->n * pass->inner;
    int64_t rows = row < BLOCK ? BLOCK / (row > 0 ? row : 1) : 1;
    return rows < pass->outer ? rows : pass->outer;
}

/* How many of the n elements behind a result are taken at a time when a row is longer than a
 * block. */
static int64_t piece_length(const bpi_pass *pass) {
    if (pass->n * pass->inner <= BLOCK)
        return pass->n;
    return pass->inner < BLOCK ? BLOCK / pass->inner : 1;
}

size_t bpi_softmax_workspace(const bpi_pass *pass, size_t item) {
    int64_t results = block_rows(pass) * pass->inner;
    return (size_t)(3 * results + block_rows(pass) * piece_length(pass) * pass->inner) * item;
}

#define EACH "softmax.inc"
#include "each_float.inc"

typedef void fast_fn(const bpi_pass *pass, const void *x, void *y, void *workspace);

void bpi_softmax_fast(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y,
                      void *workspace) {
    static fast_fn *const by_dtype[] = FLOATS(softmax);
    const bpi_rows *rows = pass->inner == 1 ? bpi_rows_for(dtype) : NULL;
    if (rows)
        (dtype == BP_F32 ? softmax_rows_f32 : softmax_rows_f64)(rows, pass, x, y);
    else
        by_dtype[dtype](pass, x, y, workspace);
}

void bpi_log_softmax_fast(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y,
                          void *workspace) {
    static fast_fn *const by_dtype[] = FLOATS(log_softmax);
    const bpi_rows *rows = pass->inner == 1 ? bpi_rows_for(dtype) : NULL;
    if (rows)
        (dtype == BP_F32 ? log_softmax_rows_f32 : log_softmax_rows_f64)(rows, pass, x, y);
    else
        by_dtype[dtype](pass, x, y, workspace);
}

void bpi_logsumexp_fast(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y,
                        void *workspace) {
    static fast_fn *const by_dtype[] = FLOATS(logsumexp);
    const bpi_rows *rows = pass->inner == 1 ? bpi_rows_for(dtype) : NULL;
    if (rows)
        (dtype == BP_F32 ? logsumexp_rows_f32 : logsumexp_rows_f64)(rows, pass, x, y);
    else
        by_dtype[dtype](pass, x, y, workspace);
}

typedef void fast_grad_fn(const bpi_pass *pass, const void *y, const void *gy, void *gx,
                          void *workspace);

void bpi_softmax_grad_fast(const bpi_pass *pass, bp_dtype dtype, const void *y, const void *gy,
                           void *gx, void *workspace) {
    static fast_grad_fn *const by_dtype[] = FLOATS(softmax_grad);
    const bpi_rows *rows = bpi_rows_for(dtype);
    if (pass->inner == 1 && rows)
        rows->softmax_grad(pass->outer, pass->n, y, gy, gx);
    else
        by_dtype[dtype](pass, y, gy, gx, workspace);
}

void bpi_log_softmax_grad_fast(const bpi_pass *pass, bp_dtype dtype, const void *y, const void *gy,
                               void *gx, void *workspace) {
    static fast_grad_fn *const by_dtype[] = FLOATS(log_softmax_grad);
    const bpi_rows *rows = bpi_rows_for(dtype);
    if (pass->inner == 1 && rows)
        rows->log_softmax_grad(pass->outer, pass->n, y, gy, gx);
    else
        by_dtype[dtype](pass, y, gy, gx, workspace);
}

typedef double loss_fn(const bpi_indices *index, int64_t n, const void *x, void *p);

double bpi_class_loss_fast(const bpi_indices *index, int64_t n, bp_dtype dtype, const void *x,
                           void *p) {
    static loss_fn *const by_dtype[] = FLOATS(class_loss);
    return by_dtype[dtype](index, n, x, p);
}

void bpi_class_loss_grad(const bpi_indices *index, int64_t n, bp_dtype dtype, const void *p,
                         const void *g, void *y) {
    static void (*const by_dtype[])(const bpi_indices *, int64_t, const void *, const void *,
                                    void *) = FLOATS(class_loss_grad);
    if (n > 0)
        by_dtype[dtype](index, n, p, g, y);
}
