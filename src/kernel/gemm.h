/* Matrix products on plain arrays: CBLAS for large ones, loops of our own for small ones, and a
 * reference that defines what they compute. */
#ifndef BPI_KERNEL_GEMM_H
#define BPI_KERNEL_GEMM_H

#include <backprop/base.h>

/* c = op(a) op(b), or c += op(a) op(b): op(a) is [m,k], op(b) is [k,n], c is [m,n], row-major with
 * leading dimensions (elements from one row to the next). With transpose_a the array a is stored
 * [k,m]; with transpose_b the array b is stored [n,k]. c does not overlap a or b. k = 0 gives
 * zeros. */
typedef struct bpi_product {
    int64_t m, n, k;
    int64_t lda, ldb, ldc;
    bool transpose_a, transpose_b;
    bool add;
} bpi_product;

/* The reference: one dot product per element of c, summed in double precision. */
void bpi_gemm_reference_f32(const bpi_product *p, const float *a, const float *b, float *c);
void bpi_gemm_reference_f64(const bpi_product *p, const double *a, const double *b, double *c);

/* Plain loops for every shape and orientation: no call overhead, which is what counts when a
 * product is small. */
void bpi_gemm_plain_f32(const bpi_product *p, const float *a, const float *b, float *c);
void bpi_gemm_plain_f64(const bpi_product *p, const double *a, const double *b, double *c);

/* The fastest way for the shape at hand. One thread per call. */
void bpi_gemm_f32(const bpi_product *p, const float *a, const float *b, float *c);
void bpi_gemm_f64(const bpi_product *p, const double *a, const double *b, double *c);

/* Products by CBLAS; false, with nothing done, when the build has none or a size does not fit
 * it. */
bool bpi_blas_f32(const bpi_product *p, const float *a, const float *b, float *c);
bool bpi_blas_f64(const bpi_product *p, const double *a, const double *b, double *c);

#endif
