/* Evaluates formulas on arrays with plain loops; see array.h. */
#include "array.h"

#include <math.h>
#include <string.h>

#include "../graph.h"

static bp_status fail(const bpi_nd_scope *s, bp_status status, const char *what) {
    return bpi_fail(s->why, status, "a formula cannot be evaluated: %s", what);
}

bpi_nd bpi_nd_new(bpi_arena *arena, bp_shape shape) {
    int64_t count = bp_shape_count(shape);
    bpi_nd x = {shape,
                count < 0 ? NULL : bpi_arena_alloc(arena, (size_t)(count + 1) * sizeof(double))};
    if (x.data)
        memset(x.data, 0, (size_t)count * sizeof(double));
    return x;
}

bp_status bpi_nd_of(bp_tensor *tensor, bpi_arena *arena, bpi_nd *value) {
    int64_t count = bp_tensor_count(tensor);
    const void *data = bp_data(tensor);
    *value = bpi_nd_new(arena, tensor->type->shape);
    if (!value->data || (!data && count))
        return BP_ERR_MEMORY;
    for (int64_t i = 0; i < count; i++)
        value->data[i] = bpi_load(tensor->type->dtype, data, i);
    return BP_OK;
}

static bp_status new_array(const bpi_nd_scope *s, bp_shape shape, bpi_nd *value) {
    *value = bpi_nd_new(s->arena, shape);
    return value->data ? BP_OK : fail(s, BP_ERR_MEMORY, "out of memory");
}

static bp_status scalar(const bpi_nd_scope *s, double number, bpi_nd *value) {
    bp_status status = new_array(s, BP_SCALAR, value);
    if (status == BP_OK)
        value->data[0] = number;
    return status;
}

/* ---- indices --------------------------------------------------------------------------------- */

/* Where element `index` of an array of shape `to` is in an array of shape `x` that
 * broadcasts to it. */
static int64_t broadcast_index(const bp_shape *x, const bp_shape *to, int64_t index) {
    int64_t at = 0, stride = 1;
    for (int d = 1; d <= to->rank; d++) {
        int64_t size = to->size[to->rank - d], i = index % size;
        index /= size;
        if (d > x->rank)
            continue;
        at += x->size[x->rank - d] == 1 ? 0 : i * stride;
        stride *= x->size[x->rank - d];
    }
    return at;
}

/* The shape that two shapes broadcast to; false when they do not. `to` may be one of them. */
static bool broadcast(const bp_shape *a, const bp_shape *b, bp_shape *to) {
    bp_shape joint = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int d = 1; d <= joint.rank; d++) {
        int64_t m = d <= a->rank ? a->size[a->rank - d] : 1,
                n = d <= b->rank ? b->size[b->rank - d] : 1;
        if (m != n && m != 1 && n != 1)
            return false;
        joint.size[joint.rank - d] = m == 1 ? n : m;
    }
    *to = joint;
    return true;
}

bp_status bpi_nd_sum_to(const bpi_nd *x, const bp_shape *shape, bpi_arena *arena, bpi_nd *value) {
    bp_shape joint;
    bpi_nd sum = bpi_nd_new(arena, *shape);
    if (!sum.data)
        return BP_ERR_MEMORY;
    if (bp_shape_count(x->shape) == bp_shape_count(*shape)) { /* a size of 1 more or less */
        memcpy(sum.data, x->data, (size_t)bp_shape_count(*shape) * sizeof(double));
    } else {
        if (!broadcast(&x->shape, shape, &joint))
            return BP_ERR_SHAPE;
        bool narrower = !bp_shape_equal(joint, x->shape); /* or x is what has to be repeated */
        for (int64_t i = 0; i < bp_shape_count(joint); i++) {
            double *to = &sum.data[broadcast_index(shape, &joint, i)];
            double from = x->data[broadcast_index(&x->shape, &joint, i)];
            *to = narrower ? from : *to + from;
        }
    }
    *value = sum;
    return BP_OK;
}

bp_status bpi_nd_transpose(const bpi_nd *x, bpi_arena *arena, bpi_nd *value) {
    bp_shape shape = x->shape;
    int rank = shape.rank;
    if (rank >= 2) {
        shape.size[rank - 1] = x->shape.size[rank - 2];
        shape.size[rank - 2] = x->shape.size[rank - 1];
    }
    bpi_nd y = bpi_nd_new(arena, shape);
    if (!y.data)
        return BP_ERR_MEMORY;
    int64_t rows = rank >= 2 ? shape.size[rank - 2] : 1,
            columns = rank >= 1 ? shape.size[rank - 1] : 1;
    int64_t matrix = rows * columns;
    for (int64_t i = 0; i < bp_shape_count(shape); i++) {
        int64_t in = i % matrix;
        y.data[i] = x->data[i - in + in % columns * rows + in / columns];
    }
    *value = y;
    return BP_OK;
}

/* ---- element by element ---------------------------------------------------------------------- */

/* Evaluates one operator or scalar function on the elements of up to three arrays, broadcast. */
static bp_status map(const bpi_nd_scope *s, const bpi_expr *expr, const bpi_nd *x, bpi_nd *value) {
    static const char *const names[] = {"0", "1", "2"}; /* no formula can use them as names */
    bpi_expr leaf[3], *leaves[3], local = *expr;
    bpi_binding bindings[3];
    bp_shape shape = BP_SCALAR;
    for (int k = 0; k < expr->args; k++) {
        leaf[k] = (bpi_expr){.kind = BPI_EXPR_NAME, .name = names[k]};
        leaves[k] = &leaf[k];
        bindings[k].name = names[k];
        if (!broadcast(&shape, &x[k].shape, &shape))
            return fail(s, BP_ERR_SHAPE, "shapes do not broadcast");
    }
    local.arg = leaves;
    bp_status status = new_array(s, shape, value);
    for (int64_t i = 0; status == BP_OK && i < bp_shape_count(shape); i++) {
        long double result;
        for (int k = 0; k < expr->args; k++)
            bindings[k].value = x[k].data[broadcast_index(&x[k].shape, &shape, i)];
        status = bpi_expr_value(&local, bindings, expr->args, &result, s->why);
        value->data[i] = (double)result;
    }
    return status;
}

/* ---- products -------------------------------------------------------------------------------- */

/* Matrices, with leading dimensions that broadcast. */
static bp_status multiply(const bpi_nd_scope *s, const bpi_nd *a, const bpi_nd *b, bpi_nd *value) {
    int p = a->shape.rank, q = b->shape.rank;
    if (p < 2 || q < 2 || a->shape.size[p - 1] != b->shape.size[q - 2])
        return fail(s, BP_ERR_SHAPE, "a matrix product of shapes that do not fit");
    bp_shape batch_a = a->shape, batch_b = b->shape, batch;
    batch_a.rank -= 2;
    batch_b.rank -= 2;
    if (!broadcast(&batch_a, &batch_b, &batch))
        return fail(s, BP_ERR_SHAPE, "shapes do not broadcast");
    int64_t m = a->shape.size[p - 2], inner = a->shape.size[p - 1], n = b->shape.size[q - 1];
    bp_shape shape = batch;
    shape.size[shape.rank++] = m;
    shape.size[shape.rank++] = n;
    bp_status status = new_array(s, shape, value);
    for (int64_t i = 0; status == BP_OK && i < bp_shape_count(shape); i++) {
        int64_t at = i / (m * n), row = i / n % m, column = i % n;
        const double *left = a->data + (broadcast_index(&batch_a, &batch, at) * m + row) * inner;
        const double *right = b->data + broadcast_index(&batch_b, &batch, at) * inner * n + column;
        long double sum = 0;
        for (int64_t k = 0; k < inner; k++)
            sum += (long double)left[k] * right[k * n];
        value->data[i] = (double)sum;
    }
    return status;
}

/* As in NumPy: a vector on the left is a row, on the right a column, and the result
 * lacks that dimension. */
static bp_status matmul(const bpi_nd_scope *s, bpi_nd a, bpi_nd b, bpi_nd *value) {
    bool row = a.shape.rank == 1, column = b.shape.rank == 1;
    if (row)
        a.shape = BP_SHAPE(1, a.shape.size[0]);
    if (column)
        b.shape = BP_SHAPE(b.shape.size[0], 1);
    bp_status status = multiply(s, &a, &b, value);
    if (status != BP_OK)
        return status;
    bp_shape *shape = &value->shape;
    if (row)
        shape->size[shape->rank - 2] = shape->size[shape->rank - 1];
    shape->rank -= row + column;
    return BP_OK;
}

static bp_status outer(const bpi_nd_scope *s, const bpi_nd *a, const bpi_nd *b, bpi_nd *value) {
    if (a->shape.rank != 1 || b->shape.rank != 1)
        return fail(s, BP_ERR_SHAPE, "an outer product of what are no vectors");
    int64_t m = a->shape.size[0], n = b->shape.size[0];
    bp_status status = new_array(s, BP_SHAPE(m, n), value);
    for (int64_t i = 0; status == BP_OK && i < m * n; i++)
        value->data[i] = a->data[i / n] * b->data[i % n];
    return status;
}

/* ---- along axes ------------------------------------------------------------------------------ */

static const bpi_nd_binding *find(const bpi_nd_scope *s, const char *name) {
    for (int k = s->count - 1; k >= 0; k--)
        if (strcmp(s->bindings[k].name, name) == 0)
            return &s->bindings[k];
    return NULL;
}

/* The shape of x with the axes that the second argument of a call says at size 1;
 * without one, all. */
static bp_status reduced_shape(const bpi_nd_scope *s, const bpi_expr *call, bp_shape *shape) {
    const bpi_nd_binding *named =
        call->args > 1 && call->arg[1]->kind == BPI_EXPR_NAME ? find(s, call->arg[1]->name) : NULL;
    int64_t one = 0, all[BP_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    bp_attr axes = bp_attr_ints(all, shape->rank);
    if (named && named->list) {
        axes = *named->list;
    } else if (call->args > 1) {
        bpi_nd axis;
        bp_status status = bpi_nd_value(call->arg[1], s, &axis);
        if (status != BP_OK)
            return status;
        one = (int64_t)axis.data[0];
        axes = bp_attr_ints(&one, 1);
    }
    for (int k = 0; k < axes.count; k++) {
        int64_t axis = axes.as.list[k] + (axes.as.list[k] < 0 ? shape->rank : 0);
        if (axis < 0 || axis >= shape->rank)
            return fail(s, BP_ERR_SHAPE, "an axis that does not exist");
        shape->size[axis] = 1;
    }
    return BP_OK;
}

static bp_status reduce(const bpi_nd_scope *s, const bpi_expr *call, const bpi_nd *x,
                        bpi_nd *value) {
    bp_shape shape = x->shape;
    bp_status status = reduced_shape(s, call, &shape);
    if (status == BP_OK)
        status = new_array(s, call->args > 1 ? shape : BP_SCALAR, value);
    if (status != BP_OK)
        return status;
    int64_t from = bp_shape_count(x->shape), to = bp_shape_count(shape);
    if (strcmp(call->name, "size") == 0)
        return scalar(s, to ? (double)from / (double)to : 0, value);
    bool max = strcmp(call->name, "max") == 0;
    for (int64_t i = 0; max && i < to; i++)
        value->data[i] = -INFINITY;
    for (int64_t i = 0; i < from; i++) {
        double *y = &value->data[broadcast_index(&shape, &x->shape, i)];
        *y = !max ? *y + x->data[i] : fmax(*y, x->data[i]);
    }
    for (int64_t i = 0; strcmp(call->name, "mean") == 0 && i < to; i++)
        value->data[i] /= (double)from / (double)to;
    return BP_OK;
}

static bp_status softmax(const bpi_nd_scope *s, const bpi_expr *call, const bpi_nd *x,
                         bpi_nd *value) {
    bp_shape shape = x->shape;
    bpi_nd top, sum;
    bp_status status = reduced_shape(s, call, &shape);
    if (status == BP_OK)
        status = new_array(s, shape, &top);
    if (status == BP_OK)
        status = new_array(s, shape, &sum);
    if (status == BP_OK)
        status = new_array(s, x->shape, value);
    if (status != BP_OK)
        return status;
    int64_t count = bp_shape_count(x->shape);
    for (int64_t i = 0; i < bp_shape_count(shape); i++)
        top.data[i] = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        double *t = &top.data[broadcast_index(&shape, &x->shape, i)];
        *t = fmax(*t, x->data[i]);
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t at = broadcast_index(&shape, &x->shape, i);
        sum.data[at] += exp(x->data[i] - top.data[at]);
    }
    bool logarithm = strcmp(call->name, "log_softmax") == 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = broadcast_index(&shape, &x->shape, i);
        double y = x->data[i] - top.data[at] - log(sum.data[at]);
        value->data[i] = logarithm ? y : exp(y);
    }
    return BP_OK;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* expand(g, x), sum_to(g, x) and reshape(g, x): g with the shape of x. */
static bp_status shape_as(const bpi_nd_scope *s, const bpi_nd *g, const bpi_nd *x, bpi_nd *value) {
    bp_status status = bpi_nd_sum_to(g, &x->shape, s->arena, value);
    return status == BP_OK ? status : fail(s, status, "a shape that does not fit");
}

/* one_hot(t, y): class numbers as rows of the shape of y; what has that shape already stays. */
static bp_status one_hot(const bpi_nd_scope *s, const bpi_nd *t, const bpi_nd *y, bpi_nd *value) {
    int rank = y->shape.rank;
    if (rank == 0)
        return fail(s, BP_ERR_UNSUPPORTED, "one_hot with a number of classes");
    if (bp_shape_equal(t->shape, y->shape)) {
        *value = *t;
        return BP_OK;
    }
    int64_t classes = y->shape.size[rank - 1], rows = bp_shape_count(t->shape);
    if (bp_shape_count(y->shape) != rows * classes)
        return fail(s, BP_ERR_SHAPE, "class numbers of a shape that does not fit");
    bp_status status = new_array(s, y->shape, value);
    for (int64_t i = 0; status == BP_OK && i < rows; i++)
        if (t->data[i] >= 0 && t->data[i] < (double)classes)
            value->data[i * classes + (int64_t)t->data[i]] = 1;
    return status;
}

static bool is_one_of(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static bp_status call_value(const bpi_nd_scope *s, const bpi_expr *call, bpi_nd *value) {
    static const char *const reductions[] = {"sum", "mean", "size", NULL};
    static const char *const softmaxes[] = {"softmax", "log_softmax", NULL};
    static const char *const shapes[] = {"expand", "sum_to", "reshape", NULL};
    bpi_nd x[3] = {{BP_SCALAR, NULL}};
    const bpi_nd_binding *second =
        call->args == 2 && call->arg[1]->kind == BPI_EXPR_NAME ? find(s, call->arg[1]->name) : NULL;
    bool list = second && second->list;
    bp_status status =
        call->args < 1 || call->args > 3 ? fail(s, BP_ERR_UNSUPPORTED, call->name) : BP_OK;
    for (int k = 0; status == BP_OK && k < call->args && !(list && k == 1); k++)
        status = bpi_nd_value(call->arg[k], s, &x[k]);
    if (status != BP_OK)
        return status;
    if (is_one_of(call->name, reductions) || (list && strcmp(call->name, "max") == 0))
        return reduce(s, call, &x[0], value);
    if (is_one_of(call->name, softmaxes))
        return softmax(s, call, &x[0], value);
    if (is_one_of(call->name, shapes) && call->args == 2 && !list)
        return shape_as(s, &x[0], &x[1], value);
    if (strcmp(call->name, "one_hot") == 0 && call->args == 2)
        return one_hot(s, &x[0], &x[1], value);
    if (strcmp(call->name, "outer") == 0 && call->args == 2)
        return outer(s, &x[0], &x[1], value);
    if (!list && bpi_formula_function(call->name, call->args))
        return map(s, call, x, value);
    return fail(s, BP_ERR_UNSUPPORTED, call->name);
}

bp_status bpi_nd_value(const bpi_expr *expr, const bpi_nd_scope *s, bpi_nd *value) {
    bpi_nd x[3] = {{BP_SCALAR, NULL}};
    long double number;
    if (expr->kind == BPI_EXPR_CALL)
        return call_value(s, expr, value);
    if (expr->kind == BPI_EXPR_INDEX)
        return fail(s, BP_ERR_UNSUPPORTED, "an index");
    if (expr->kind == BPI_EXPR_NAME) {
        const bpi_nd_binding *named = find(s, expr->name);
        if (named && (named->list || !named->value.data))
            return fail(s, BP_ERR_UNSUPPORTED, expr->name);
        if (named) {
            *value = named->value;
            return BP_OK;
        }
    }
    if (expr->args == 0) {
        bp_status found = bpi_expr_value(expr, NULL, 0, &number, s->why);
        return found == BP_OK ? scalar(s, (double)number, value) : found;
    }
    for (int k = 0; k < expr->args && k < 3; k++) {
        bp_status status = bpi_nd_value(expr->arg[k], s, &x[k]);
        if (status != BP_OK)
            return status;
    }
    if (expr->kind == BPI_EXPR_MATMUL)
        return matmul(s, x[0], x[1], value);
    if (expr->kind == BPI_EXPR_TRANSPOSE)
        return x[0].shape.rank < 2 ? fail(s, BP_ERR_UNSUPPORTED, "a transpose of what is no matrix")
                                   : bpi_nd_transpose(&x[0], s->arena, value);
    return map(s, expr, x, value);
}
