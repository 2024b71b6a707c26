/* The elementwise kernels that a compiler vectorises as well as anyone: arithmetic, comparisons, casts,
 * of all element types, as one table. Compiled once per instruction set; setting: BPI_TABLE, its name. */
#include "map.h"

#include "map_names.inc"

#include <math.h>
#include <string.h>

#include "map_floats.inc"
#include "map_types.inc"
#include "map_casts.inc"

extern const bpi_map_table BPI_TABLE;
const bpi_map_table BPI_TABLE = {
#include "map_plain_rows.inc"
    [BPI_MAP_DIV] = FLOATS(div), /* integers: see map_divide.inc */
};
