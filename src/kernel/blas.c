/* Products by CBLAS: the only file that includes <cblas.h>.
 *
 * OpenBLAS may not use threads of its own: the library has its own pool, and two of them in one
 * process fight for the cores. */
#include "gemm.h"

#include "blas_core.h"

#if BPI_HAVE_CBLAS

#include <cblas.h>
#include <limits.h>
#include <pthread.h>

/* Weak: another CBLAS does not have it. */
extern void openblas_set_num_threads(int threads) __attribute__((weak));

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void) {
    bpi_blas_choose_core();
    if (openblas_set_num_threads)
        openblas_set_num_threads(1);
}

bool bpi_blas_ready(const bpi_product *p) {
    pthread_once(&once, prepare);
    return p->m <= INT_MAX && p->n <= INT_MAX && p->k <= INT_MAX && p->lda <= INT_MAX &&
           p->ldb <= INT_MAX && p->ldc <= INT_MAX;
}

static CBLAS_TRANSPOSE flag(bool transposed) { return transposed ? CblasTrans : CblasNoTrans; }

#define REAL float
#define SUFFIX f32
#define GEMM cblas_sgemm
#define GEMV cblas_sgemv
#include "blas.inc"
#undef REAL
#undef SUFFIX
#undef GEMM
#undef GEMV

#define REAL double
#define SUFFIX f64
#define GEMM cblas_dgemm
#define GEMV cblas_dgemv
#include "blas.inc"

#else

bool bpi_blas_ready(const bpi_product *p) {
    (void)p;
    return false;
}

bool bpi_blas_f32(const bpi_product *p, double alpha, const float *a, const float *b, double beta,
                  float *c) {
    (void)p, (void)alpha, (void)a, (void)b, (void)beta, (void)c;
    return false;
}

bool bpi_blas_f64(const bpi_product *p, double alpha, const double *a, const double *b, double beta,
                  double *c) {
    (void)p, (void)alpha, (void)a, (void)b, (void)beta, (void)c;
    return false;
}

#endif
