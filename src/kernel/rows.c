/* Finds the kernels along rows of the instruction set in use. */
#include "rows.h"

#include "tables.h"

BPI_WIDE_TABLES(bpi_rows, rows)

const bpi_rows *bpi_rows_for(bp_dtype dtype) { return table_of(dtype); }
