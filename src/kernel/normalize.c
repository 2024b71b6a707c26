/* Layer normalisation and its gradient: the portable reference, in double precision, and the choice
 * of the vector kernels. */
#include "normalize.h"

#include <math.h>
#include <string.h>

#include "exact.h"
#include "map_names.inc"
#include "rows.h"

static double deviation(double x, bpi_exact mean) { return x - mean.sum - mean.rest; }

#define EACH "normalize.inc"
#include "each_float.inc"

void bpi_normalize_reference(const bpi_norm *a, double epsilon, bp_dtype dtype) {
    (dtype == BP_F32 ? normalize_f32 : normalize_f64)(a, epsilon);
}

void bpi_normalize_fast(const bpi_norm *a, double epsilon, bp_dtype dtype) {
    const bpi_rows *vectors = bpi_rows_for(dtype);
    if (vectors)
        vectors->normalize(a, epsilon);
    else
        bpi_normalize_reference(a, epsilon, dtype);
}

/* Two sums for every column, in as many levels (rows_normalize.h), or exact ones. */
size_t bpi_norm_workspace(int64_t n, size_t item) {
    const size_t levels = BPI_NORM_LEVELS * item, exact = sizeof(bpi_exact);
    return 2 * (size_t)n * (levels > exact ? levels : exact);
}

void bpi_norm_grad_reference(const bpi_norm_grad *a, bp_dtype dtype, void *workspace) {
    (dtype == BP_F32 ? norm_grad_f32 : norm_grad_f64)(a, workspace);
}

void bpi_norm_grad_fast(const bpi_norm_grad *a, bp_dtype dtype, void *workspace) {
    const bpi_rows *vectors = bpi_rows_for(dtype);
    if (vectors)
        vectors->norm_grad(a, workspace);
    else
        bpi_norm_grad_reference(a, dtype, workspace);
}

void bpi_normalize_grad_reference(int64_t rows, int64_t n, bp_dtype dtype, const void *u,
                                  const void *r, const void *h, void *gx) {
    (dtype == BP_F32 ? normalize_grad_f32 : normalize_grad_f64)(rows, n, u, r, h, gx);
}

void bpi_normalize_grad_fast(int64_t rows, int64_t n, bp_dtype dtype, const void *u, const void *r,
                             const void *h, void *gx) {
    const bpi_rows *vectors = bpi_rows_for(dtype);
    if (vectors)
        vectors->normalize_grad(rows, n, u, r, h, gx);
    else
        bpi_normalize_grad_reference(rows, n, dtype, u, r, h, gx);
}
