/* What the ops along one axis share. */
#ifndef BPI_AXIS_OPS_H
#define BPI_AXIS_OPS_H

#include "kernel/reduce.h"
#include "record.h"

/* Checks attribute 0, an axis of a tensor of that rank, and fills it counted from 0. */
bp_status bpi_infer_axis(bp_signature *s, int rank, int *axis);
/* The sizes before, of and behind an axis of an attribute that was checked. */
bpi_pass bpi_along(const bp_shape *shape, const bp_attr *attr);

#endif
