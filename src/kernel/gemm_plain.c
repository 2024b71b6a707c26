/* Matrix products by plain loops, where there are no vector instructions that we know. The loops
 * are ordered so that the innermost one runs over contiguous elements in every orientation. */
#include "gemm.h"

#include "map_names.inc"

enum { LANES = 16 };

#define EACH "gemm_plain.inc"
#include "each_float.inc"
