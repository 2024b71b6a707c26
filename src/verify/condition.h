/* Kinks and domains of op records, on arrays: how far operands are from where a
 * derivative jumps. */
#ifndef BPI_CONDITION_H
#define BPI_CONDITION_H

#include <backprop/op.h>

#include "formula.h"

enum { BPI_POINT_OPERANDS = 8 };

/* Operands of an op with values, as doubles in row-major order. */
typedef struct bpi_point {
    const bp_op *op;
    const bp_attr *attr;
    int inputs; /* at most BPI_POINT_OPERANDS */
    const bp_type *type[BPI_POINT_OPERANDS];
    const double *values[BPI_POINT_OPERANDS];
} bpi_point;

/* One expression of `kinks` or `domain`, on elements of the operands that it names, broadcast. */
typedef struct bpi_condition {
    const bpi_expr *expr;
    bool names[BPI_POINT_OPERANDS];
    bool floats; /* at least one operand that it names is a float */
    bool apart;  /* apart(x): about pairs of elements of x, see docs/formulas.md */
    bp_shape shape;
    int64_t count;
} bpi_condition;

/* Works out what an expression names. BP_ERR_NAME when that does not exist, BP_ERR_SHAPE when those
 * operands do not broadcast. */
bp_status bpi_condition_of(const bpi_expr *expr, const bpi_point *point, bpi_condition *condition,
                           bp_failure *why);
/* The element of operand k that meets element `index` of the broadcast shape. */
int64_t bpi_condition_element(const bpi_condition *condition, const bpi_point *point, int k,
                              int64_t index);
/* How far inside the condition element `index` is: for `a < b` b - a; for `a != b`, and for a kink,
 * the distance from zero. */
bp_status bpi_condition_distance(const bpi_condition *condition, const bpi_point *point,
                                 int64_t index, double *inside, bp_failure *why);

#endif
