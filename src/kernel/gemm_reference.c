/* The matrix product as its definition: c_ij = Σ_l op(a)_il op(b)_lj. */
#include "exact.h"
#include "gemm.h"

#define EACH "gemm_reference.inc"
#include "each_float.inc"
