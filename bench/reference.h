/* What the micro-benchmarks compare with: plain loops and calls, compiled like the hand loops. */
#ifndef BENCH_REFERENCE_H
#define BENCH_REFERENCE_H

#include <stdint.h>

void reference_sigmoid(int64_t n, const float *x, float *y);
void reference_relu(int64_t n, const float *x, float *y);

/* y [m, n] = a [m, k] b [k, n], one thread. */
void reference_product(int m, int n, int k, const float *a, const float *b, float *y);

/* The hand-written 2-4-1 net on four rows: inputs [4, 2], targets [4]. */
void *reference_xor_new(const float *inputs, const float *targets);
void reference_xor_step(void *net);
void reference_xor_free(void *net);

#endif
