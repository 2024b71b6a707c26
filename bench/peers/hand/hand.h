/* The hand-written loops, one per kind of workload; hand.c chooses. */
#ifndef BENCH_HAND_H
#define BENCH_HAND_H

#include "../protocol.h"

extern const competitor mlp_f32, mlp_f64; /* any net, by BLAS */
extern const competitor thin_f32; /* batch of up to THIN_BATCH, plain loops over the weights */
extern const competitor xor_f32;  /* 2-4-1, batch 4, sizes known to the compiler */
extern const competitor hvp_f64;  /* Hessian-vector product, one hidden layer, one sample */

enum { THIN_BATCH = 4 };

#endif
