/* The matrix product as its definition: c_ij = Σ_l op(a)_il op(b)_lj. */
#include "exact.h"
#include "gemm.h"

#define REAL float
#define SUFFIX f32
#include "gemm_reference.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "gemm_reference.inc"
