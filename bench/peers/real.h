/* The number type of a file that is compiled twice: f32, and f64 with -DBENCH_F64; and its BLAS. */
#ifndef BENCH_REAL_H
#define BENCH_REAL_H

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

#ifdef BENCH_F64
typedef double real;
#define REAL(name) name##_f64 /* external names differ between the two compilations */
static const CBLAS_TRANSPOSE NO = CblasNoTrans, YES = CblasTrans;

static inline real real_exp(real x) { return exp(x); }
static inline real real_log(real x) { return log(x); }
static inline real real_tanh(real x) { return tanh(x); }

/* c = alpha op(a) op(b) + beta c, row-major, packed rows; c is [m, n], the inner size k. */
static inline void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, real alpha,
                        const real *a, const real *b, real beta, real *c) {
    cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, ta == YES ? m : k, b, tb == YES ? k : n,
                beta, c, n);
}
#else
typedef float real;
#define REAL(name) name##_f32
static const CBLAS_TRANSPOSE NO = CblasNoTrans, YES = CblasTrans;

static inline real real_exp(real x) { return expf(x); }
static inline real real_log(real x) { return logf(x); }
static inline real real_tanh(real x) { return tanhf(x); }

static inline void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, real alpha,
                        const real *a, const real *b, real beta, real *c) {
    cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, ta == YES ? m : k, b, tb == YES ? k : n,
                beta, c, n);
}
#endif

/* n zeros on a cache line boundary. Out of memory ends the benchmark. */
static inline real *new_array(int n) {
    size_t bytes = ((size_t)n * sizeof(real) + 127) / 64 * 64;
    real *a = aligned_alloc(64, bytes);
    if (!a)
        abort();
    for (size_t i = 0; i < bytes / sizeof(real); i++)
        a[i] = 0;
    return a;
}

static inline void widen(const float *from, real *to, int n) {
    for (int i = 0; i < n; i++)
        to[i] = (real)from[i];
}

/* to [columns, rows] = the transpose of from [rows, columns]. */
static inline void widen_transposed(const float *from, real *to, int rows, int columns) {
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            to[(size_t)c * rows + r] = (real)from[(size_t)r * columns + c];
}

#endif
