/* Compares the formulas in an op's record with the op; those that name what has no meaning for
 * arrays are left alone. */
#include "check_formula.h"

#include <math.h>

#include "array.h"

/* Formula and op round differently; what is wrong is wrong by more. Of the largest element. */
static const double accepted = 1e-9;

/* The first element in which two arrays differ; -1 where they agree. */
static int64_t first_difference(const double *a, const double *b, int64_t count) {
    double largest = 1e-3;
    for (int64_t i = 0; i < count; i++)
        largest = isfinite(a[i]) ? fmax(largest, fabs(a[i])) : largest;
    for (int64_t i = 0; i < count; i++) {
        bool same = a[i] == b[i] || (isnan(a[i]) && isnan(b[i]));
        if (!same && !(fabs(a[i] - b[i]) <= accepted * largest))
            return i;
    }
    return -1;
}

static bp_status compare(bpi_check *check, const bpi_known_node *known, const bp_tensor *tensor,
                         const char *name, const double *is, const bpi_nd *formula) {
    bp_check_report *r = check->report;
    int64_t i = first_difference(is, formula->data, bp_tensor_count(tensor));
    if (i < 0)
        return BP_OK;
    char element[100];
    bpi_element_text(name, &tensor->type->shape, i, element, sizeof element);
    bpi_format(r->where, sizeof r->where, "%s%s", element, known->where);
    r->worst = fabs(is[i] - formula->data[i]) / fmax(fabs(is[i]), fabs(formula->data[i]));
    r->analytic = is[i];
    r->numeric = formula->data[i];
    bpi_format(r->text, sizeof r->text,
               "the formula in the record says that %s is %.9g, but it is %.9g", r->where,
               r->numeric, r->analytic);
    return BP_ERR_CHECK;
}

/* The cotangent of output `place` among the float ones, of all copies together. */
static bp_status add_cotangents(bpi_check *check, const bpi_known_node *known, int place,
                                int floats, bpi_nd *gy) {
    bp_status status = bpi_nd_of(known->c[place], &check->arena, gy);
    for (int copy = 1; status == BP_OK && copy < known->copies; copy++) {
        bpi_nd more;
        status = bpi_nd_of(known->c[copy * floats + place], &check->arena, &more);
        for (int64_t i = 0; status == BP_OK && i < bp_shape_count(gy->shape); i++)
            gy->data[i] += more.data[i];
    }
    return status;
}

static bp_status find_arrays(bpi_check *check, const bpi_known_node *known, bpi_nd *x, bpi_nd *y,
                             bpi_nd *gy) {
    bpi_node *node = known->node;
    int floats = 0, place = 0;
    bp_status status = BP_OK;
    for (int k = 0; k < node->outputs; k++)
        floats += bp_dtype_is_float(node->y[k].type->dtype);
    for (int k = 0; status == BP_OK && k < node->inputs; k++)
        status = bpi_nd_of(node->x[k], &check->arena, &x[k]);
    for (int k = 0; status == BP_OK && k < node->outputs; k++) {
        status = bpi_nd_of(&node->y[k], &check->arena, &y[k]);
        if (status == BP_OK && bp_dtype_is_float(node->y[k].type->dtype))
            status = add_cotangents(check, known, place++, floats, &gy[k]);
    }
    return status == BP_OK ? BP_OK : bpi_check_stop(check, status, node->graph);
}

bp_status bpi_check_formulas(bpi_check *check, const bpi_known_node *known) {
    bpi_node *node = known->node;
    bpi_nd *x = bpi_check_room(check, node->inputs, sizeof *x);
    bpi_nd y[BP_MAX_OUTPUTS], gy[BP_MAX_OUTPUTS] = {{.data = NULL}}, value;
    bool empty = bp_tensor_count(node->x[0]) == 0; /* the formula of a mean divides by nothing */
    if (empty || (node->op->flags & BP_OP_RANDOM))
        return BP_OK;
    bp_status status = x ? find_arrays(check, known, x, y, gy) : check->why.status;
    const bpi_nd_node values = {node->op, node->attr, node->inputs, node->outputs, x, y, gy};
    for (int k = 0; status == BP_OK && k < node->outputs; k++)
        if (bpi_nd_forward(&values, k, &check->arena, &value, NULL) == BP_OK)
            status = compare(check, known, &node->y[k], "the result", y[k].data, &value);
    for (int k = 0; status == BP_OK && k < known->inputs; k++) {
        char name[80];
        const bp_tensor *operand = node->x[known->which[k]];
        bpi_format(name, sizeof name, "the gradient of %.50s", bp_name(operand));
        if (bpi_nd_gradient(&values, known->which[k], &check->arena, &value, NULL) == BP_OK)
            status = compare(check, known, operand, name, known->gradient[k], &value);
    }
    return status;
}
