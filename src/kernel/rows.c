/* Finds the kernels along rows of the instruction set in use. */
#include "rows.h"

#include <stddef.h>

#include "tables.h"

BPI_WIDE_TABLES(bpi_rows, rows)

const bpi_rows *bpi_rows_for(bp_dtype dtype) {
    return dtype == BP_F32 || dtype == BP_F64 ? tables[bpi_cpu_level()][dtype] : NULL;
}
