/* From a placed program to instructions. */
#include "inside.h"

bp_status bpi_emit(bpi_plan *plan) {
    (void)plan;
    return BP_OK;
}
