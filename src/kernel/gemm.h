/* Matrix products on plain arrays: tiles of our own in registers, CBLAS where it is faster, and a
 * reference that defines what they compute. */
#ifndef BPI_KERNEL_GEMM_H
#define BPI_KERNEL_GEMM_H

#include <backprop/base.h>

/* c = op(a) op(b): op(a) is [m,k], op(b) is [k,n], c is [m,n], row-major with leading dimensions
 * (elements from one row to the next). With transpose_a the array a is stored [k,m]; with
 * transpose_b the array b is stored [n,k]. c does not overlap a or b. k = 0 gives zeros; m or n = 0:
 * nothing is done. */
typedef struct bpi_product {
    int64_t m, n, k;
    int64_t lda, ldb, ldc;
    bool transpose_a, transpose_b;
} bpi_product;

/* How a product is finished: c = alpha op(a) op(b) + beta c + bias, the bias [n] added to every row
 * or NULL, and then 0 for what is negative with `relu`. c is not read where beta = 0. At last
 * moved = moved - rate c, unless NULL, an array that lies as c does. */
typedef struct bpi_finish {
    double alpha, beta;
    const void *bias;
    bool relu;
    void *moved;
    double rate;
} bpi_finish;

/* The reference: one dot product per element of c, summed exactly. */
void bpi_gemm_reference_f32(const bpi_product *p, const float *a, const float *b, float *c);
void bpi_gemm_reference_f64(const bpi_product *p, const double *a, const double *b, double *c);

/* The fastest way for the shape at hand, on one thread. */
void bpi_gemm_f32(const bpi_product *p, const float *a, const float *b, float *c);
void bpi_gemm_f64(const bpi_product *p, const double *a, const double *b, double *c);

/* A product prepared for many runs: the way that it takes is chosen, and c is cut for threads. */
typedef struct bpi_gemm {
    bpi_product product; /* as it is computed */
    const struct bpi_gemm_kernels *own;
    int64_t rows, columns; /* of a piece of c */
    int64_t across;        /* pieces beside each other */
    int pieces;
    uint8_t dtype, way;
    bool flipped; /* a product of one column is computed as one of one row: a and b change places */
} bpi_gemm;

/* What is known beforehand of how a product will be finished: maybe with a bias, and otherwise not;
 * probably with beta != 0, and nothing else. */
typedef enum bpi_gemm_use { BPI_GEMM_PLAIN, BPI_GEMM_BIASED, BPI_GEMM_ADDED } bpi_gemm_use;

/* Prepares a product of arrays of one dtype. */
bpi_gemm bpi_gemm_prepare(const bpi_product *p, bp_dtype dtype, bpi_gemm_use use);
/* Runs it, finished as `f` says, on up to `threads` threads of the pool. The bits do not depend on
 * how many. */
void bpi_gemm_run(const bpi_gemm *g, const bpi_finish *f, const void *a, const void *b, void *c,
                  int threads);

/* Tells whether it is left to CBLAS. */
bool bpi_gemm_is_blas(const bpi_gemm *g);
/* Returns the name of the way that is taken for a product: "tiles", "small", "dots", "outer",
 * "few", "flat", "blas" or "loops". */
const char *bpi_gemm_choice(const bpi_product *p, bp_dtype dtype);

/* ---- the ways -------------------------------------------------------------------------------- */

/* Plain loops for every shape and orientation. */
void bpi_gemm_plain_f32(const bpi_product *p, const bpi_finish *f, const float *a, const float *b,
                        float *c);
void bpi_gemm_plain_f64(const bpi_product *p, const bpi_finish *f, const double *a, const double *b,
                        double *c);

/* Adds the bias and takes the relu: what is left to do after a product by CBLAS. */
void bpi_gemm_finish_f32(const bpi_product *p, const bpi_finish *f, float *c);
void bpi_gemm_finish_f64(const bpi_product *p, const bpi_finish *f, double *c);

/* c = alpha op(a) op(b) + beta c by CBLAS; false, with nothing done, when the build has none or a
 * size does not fit it, which bpi_blas_ready tells beforehand. */
bool bpi_blas_ready(const bpi_product *p);
bool bpi_blas_f32(const bpi_product *p, double alpha, const float *a, const float *b, double beta,
                  float *c);
bool bpi_blas_f64(const bpi_product *p, double alpha, const double *a, const double *b, double beta,
                  double *c);

#endif
