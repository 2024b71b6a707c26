/* Rows with mean 0 and variance 1, and the gradient of that: the portable reference, in double
 * precision, and the choice of the vector kernels. */
#include "normalize.h"

#include <math.h>

#include "map_names.inc"
#include "rows.h"

#define REAL float
#define SUFFIX f32
#include "normalize.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "normalize.inc"

void bpi_normalize_reference(int64_t rows, int64_t n, double epsilon, bp_dtype dtype, const void *x,
                             void *y, void *r) {
    (dtype == BP_F32 ? normalize_f32 : normalize_f64)(rows, n, epsilon, x, y, r);
}

void bpi_normalize_fast(int64_t rows, int64_t n, double epsilon, bp_dtype dtype, const void *x,
                        void *y, void *r) {
    const bpi_rows *vectors = bpi_rows_for(dtype);
    if (vectors)
        vectors->normalize(rows, n, epsilon, x, y, r);
    else
        bpi_normalize_reference(rows, n, epsilon, dtype, x, y, r);
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
