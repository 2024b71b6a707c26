/* The update of Adam as a loop that a compiler vectorises as well as anyone, f32 and f64. Compiled
 * once per instruction set; setting: BPI_TABLE, the name of the pair. */
#include "adam.h"

#include <math.h>

#include "map_names.inc"

#define EACH "adam.inc"
#include "each_float.inc"

extern bpi_adam_fn *const BPI_TABLE[2];
bpi_adam_fn *const BPI_TABLE[2] = {[BP_F32] = adam_f32, [BP_F64] = adam_f64};
