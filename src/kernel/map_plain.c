/* The elementwise kernels that a compiler vectorises as well as anyone: integer arithmetic,
 * comparisons and selection of all element types, as one table. Compiled once per instruction set
 * above the one that the whole library is compiled for; setting: BPI_TABLE, the table's name. */
#include "map.h"

#include "map_names.inc"

#include <string.h>

#include "map_compares.inc"
#include "map_integers.inc"

#define INTEGERS(f) \
    { [BP_I32] = f##_i32, [BP_I64] = f##_i64, [BP_U8] = f##_u8 }
#define SIGNED_INTEGERS(f) \
    { [BP_I32] = f##_i32, [BP_I64] = f##_i64 }

extern const bpi_map_table BPI_TABLE;
const bpi_map_table BPI_TABLE = {
    [BPI_MAP_ADD] = INTEGERS(add),
    [BPI_MAP_SUB] = INTEGERS(sub),
    [BPI_MAP_MUL] = INTEGERS(mul),
    [BPI_MAP_MAXIMUM] = INTEGERS(maximum),
    [BPI_MAP_MINIMUM] = INTEGERS(minimum),
    [BPI_MAP_NEG] = SIGNED_INTEGERS(neg),
    [BPI_MAP_SQUARE] = SIGNED_INTEGERS(square),
    [BPI_MAP_ABS] = SIGNED_INTEGERS(abs),
    [BPI_MAP_SIGN] = SIGNED_INTEGERS(sign),
    [BPI_MAP_EQUAL] = ANY(equal),
    [BPI_MAP_NOT_EQUAL] = ANY(not_equal),
    [BPI_MAP_LESS] = ANY(less),
    [BPI_MAP_LESS_EQUAL] = ANY(less_equal),
    [BPI_MAP_GREATER] = ANY(greater),
    [BPI_MAP_GREATER_EQUAL] = ANY(greater_equal),
    [BPI_MAP_WHERE] = ANY(where),
};
