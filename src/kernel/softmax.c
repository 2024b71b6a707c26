/* softmax, log softmax and logsumexp. The fast versions work on blocks that fit the cache: as many
 * rows as do, so that short rows share one call of the vectorised exponential. */
#include "softmax.h"

#include <math.h>

#include "copy.h"
#include "map.h"
#include "map_names.inc"

enum { BLOCK = 4096 };

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

#define REAL float
#define SUFFIX f32
#define DTYPE BP_F32
#define LOG logf
#include "softmax.inc"
#undef REAL
#undef SUFFIX
#undef DTYPE
#undef LOG

#define REAL double
#define SUFFIX f64
#define DTYPE BP_F64
#define LOG log
#include "softmax.inc"

typedef void reference_fn(const bpi_pass *pass, const void *x, void *y);
typedef void fast_fn(const bpi_pass *pass, const void *x, void *y, void *workspace);

void bpi_softmax_reference(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y) {
    static reference_fn *const by_dtype[] = FLOATS(softmax_reference);
    by_dtype[dtype](pass, x, y);
}

void bpi_log_softmax_reference(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y) {
    static reference_fn *const by_dtype[] = FLOATS(log_softmax_reference);
    by_dtype[dtype](pass, x, y);
}

void bpi_softmax_fast(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y,
                      void *workspace) {
    static fast_fn *const by_dtype[] = FLOATS(softmax);
    by_dtype[dtype](pass, x, y, workspace);
}

void bpi_log_softmax_fast(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y,
                          void *workspace) {
    static fast_fn *const by_dtype[] = FLOATS(log_softmax);
    by_dtype[dtype](pass, x, y, workspace);
}

void bpi_logsumexp_reference(const bpi_reduction *r, bp_dtype dtype, const void *x, void *y) {
    static void (*const by_dtype[])(const bpi_reduction *, const void *, void *) =
        FLOATS(logsumexp_reference);
    by_dtype[dtype](r, x, y);
}

void bpi_logsumexp_fast(const bpi_pass *pass, bp_dtype dtype, const void *x, void *y,
                        void *workspace) {
    static fast_fn *const by_dtype[] = FLOATS(logsumexp);
    by_dtype[dtype](pass, x, y, workspace);
}
