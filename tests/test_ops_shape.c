/* The ops that move elements, against hand-written loops: any shape, any dtype, gradients, empty
 * tensors; indices out of range; and what is said of shapes that do not fit. */
#include "ops_fixture.h"
#include "suite.h"

static bp_dtype random_dtype(void) { return (bp_dtype)draw(BP_DTYPE_COUNT); }

static bool is_float(const sample *x) { return bp_dtype_is_float(bp_tensor_dtype(x->t)); }

/* Where the elements of a result come from: y[i] = x[from[i]], or 0 where from[i] is -1. Checks the
 * values, and the gradient, which takes the same way back. */
static void check_move(const sample *x, bp_tensor *y, const int64_t *from) {
    int64_t count = bp_tensor_count(y);
    double *want = calloc((size_t)count + 1, sizeof *want);
    double *gx = calloc((size_t)x->count + 1, sizeof *gx);
    for (int64_t i = 0; i < count; i++)
        want[i] = from[i] < 0 ? 0 : x->v[from[i]];
    expect(y, want);
    if (is_float(x)) {
        sample c = random_sample(bp_tensor_dtype(y), bp_tensor_shape(y));
        for (int64_t i = 0; i < count; i++)
            if (from[i] >= 0)
                gx[from[i]] += c.v[i];
        expect(gradient(y, c.t, x->t), gx);
        free(c.v);
    }
    free(want), free(gx), free(x->v);
    start_over();
}

/* ---- reshape, permute, expand ---------------------------------------------------------------- */

START_TEST(reshape_keeps_elements_in_order) {
    int64_t from[24];
    for (int i = 0; i < 24; i++)
        from[i] = i;
    bp_shape to[] = {BP_SHAPE(24), BP_SHAPE(4, 6),        BP_SHAPE(-1, 3),  BP_SHAPE(2, -1, 2),
                     BP_SHAPE(-1), BP_SHAPE(1, 1, 24, 1), BP_SHAPE(2, 3, 4)};
    for (size_t k = 0; k < sizeof to / sizeof to[0]; k++) {
        sample x = random_sample(random_dtype(), BP_SHAPE(2, 3, 4));
        check_move(&x, bp_reshape(x.t, to[k]), from);
    }
    expect_shape(bp_reshape(new_input(BP_F32, BP_SHAPE(2, 3, 4)), BP_SHAPE(4, -1)), BP_SHAPE(4, 6));
    expect_shape(bp_reshape(new_input(BP_F32, BP_SHAPE(1, 1)), BP_SCALAR), BP_SCALAR);
    expect_shape(bp_reshape(new_input(BP_F32, BP_SHAPE(0, 3)), BP_SHAPE(7, 0)), BP_SHAPE(7, 0));
    expect_shape(bp_reshape(new_input(BP_F32, BP_SHAPE(0, 3)), BP_SHAPE(3, -1)), BP_SHAPE(3, 0));
}
END_TEST

static bp_axes random_order(int rank) {
    bp_axes order = {.count = rank};
    for (int k = 0; k < rank; k++)
        order.axis[k] = k;
    for (int k = rank - 1; k > 0; k--) {
        int other = draw(k + 1), axis = order.axis[k];
        order.axis[k] = order.axis[other];
        order.axis[other] = axis;
    }
    return order;
}

static void check_permute(bp_dtype dtype, bp_shape shape, bp_axes order) {
    sample x = random_sample(dtype, shape);
    bp_shape to = {.rank = shape.rank};
    int64_t *from = malloc((size_t)x.count * sizeof *from + 8);
    int64_t index[BP_MAX_RANK] = {0}, at[BP_MAX_RANK] = {0};
    for (int k = 0; k < to.rank; k++)
        to.size[k] = shape.size[order.axis[k]];
    for (int64_t i = 0; i < x.count; i++, next_index(&to, index)) {
        for (int k = 0; k < to.rank; k++)
            at[order.axis[k]] = index[k];
        from[i] = offset_of(&shape, at);
    }
    for (int k = 0; k < to.rank; k++)
        order.axis[k] -= draw(2) ? to.rank : 0;
    bp_tensor *y = bp_permute(x.t, order);
    expect_shape(y, to);
    check_move(&x, y, from);
    free(from);
}

START_TEST(permute_in_any_order) {
    for (int round = 0; round < 80; round++) {
        bp_shape shape = random_shape(5, 4);
        check_permute(random_dtype(), shape, random_order(shape.rank));
    }
    check_permute(BP_F32, BP_SHAPE(37, 50), BP_AXES(1, 0));
    check_permute(BP_F64, BP_SHAPE(17, 3, 33), BP_AXES(2, 1, 0));
    check_permute(BP_U8, BP_SHAPE(40, 33, 2), BP_AXES(1, 0, 2));
    check_permute(BP_F32, BP_SHAPE(1, 2, 1, 2, 1, 2, 1, 2), BP_AXES(7, 6, 5, 4, 3, 2, 1, 0));
    check_permute(BP_F32, BP_SHAPE(0, 3), BP_AXES(1, 0));
}
END_TEST

START_TEST(transpose_swaps_the_last_two) {
    double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    double want[] = {1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12};
    bp_tensor *y = bp_transpose(tensor(BP_I32, BP_SHAPE(2, 2, 3), x));
    expect_shape(y, BP_SHAPE(2, 3, 2));
    expect(y, want);
}
END_TEST

START_TEST(expand_repeats) {
    for (int round = 0; round < 80; round++) {
        bp_shape to = random_shape(4, 4), shape = {.rank = 0};
        for (int k = draw(to.rank + 1); k < to.rank; k++)
            shape.size[shape.rank++] = draw(2) ? to.size[k] : 1;
        sample x = random_sample(random_dtype(), shape);
        int64_t count = bp_shape_count(to), index[BP_MAX_RANK] = {0}, from[256];
        for (int64_t i = 0; i < count; i++, next_index(&to, index)) {
            from[i] = 0;
            for (int k = 0; k < shape.rank; k++)
                from[i] = from[i] * shape.size[k] +
                          (shape.size[k] == 1 ? 0 : index[to.rank - shape.rank + k]);
        }
        bp_tensor *y = bp_expand(x.t, to);
        expect_shape(y, to);
        check_move(&x, y, from);
    }
    expect_shape(bp_expand(new_input(BP_F32, BP_SHAPE(1, 3)), BP_SHAPE(0, 3)), BP_SHAPE(0, 3));
}
END_TEST

/* ---- slice, pad, concat ---------------------------------------------------------------------- */

START_TEST(slice_takes_a_box) {
    for (int round = 0; round < 80; round++) {
        bp_shape shape = random_shape(4, 5), to = {.rank = shape.rank};
        int64_t start[BP_MAX_RANK], stop[BP_MAX_RANK], first[BP_MAX_RANK];
        for (int k = 0; k < shape.rank; k++) {
            first[k] = draw((int)shape.size[k]);
            int64_t end = first[k] + draw((int)(shape.size[k] - first[k]) + 1);
            to.size[k] = end - first[k];
            start[k] = first[k] - (draw(2) ? shape.size[k] : 0);
            stop[k] =
                end == shape.size[k] ? end + draw(3) : end - (draw(2) && end ? shape.size[k] : 0);
        }
        sample x = random_sample(random_dtype(), shape);
        int64_t count = bp_shape_count(to), index[BP_MAX_RANK] = {0}, at[BP_MAX_RANK], from[625];
        for (int64_t i = 0; i < count; i++, next_index(&to, index)) {
            for (int k = 0; k < shape.rank; k++)
                at[k] = first[k] + index[k];
            from[i] = offset_of(&shape, at);
        }
        bp_tensor *y = bp_slice(x.t, start, stop);
        expect_shape(y, to);
        check_move(&x, y, from);
    }
    bp_tensor *x = new_input(BP_F32, BP_SHAPE(4));
    expect_shape(bp_slice(x, (int64_t[]){-9}, (int64_t[]){9}), BP_SHAPE(4));
    expect_shape(bp_slice(x, (int64_t[]){3}, (int64_t[]){1}), BP_SHAPE(0));
    expect_shape(bp_slice(x, (int64_t[]){INT64_MIN}, (int64_t[]){INT64_MAX}), BP_SHAPE(4));
    expect_shape(bp_slice(x, (int64_t[]){7}, (int64_t[]){9}), BP_SHAPE(0));
    double zeros[4] = {0}, none = 0;
    bp_tensor *empty = bp_slice(x, (int64_t[]){2}, (int64_t[]){2});
    expect(gradient(empty, tensor(BP_F32, BP_SHAPE(0), &none), x), zeros);
}
END_TEST

START_TEST(pad_surrounds_with_zeros) {
    for (int round = 0; round < 80; round++) {
        bp_shape shape = random_shape(4, 3), to = shape;
        int64_t before[BP_MAX_RANK], after[BP_MAX_RANK];
        for (int k = 0; k < shape.rank; k++) {
            before[k] = draw(3);
            after[k] = draw(3);
            shape.size[k] -= draw(8) == 0; /* 0 now and then */
            to.size[k] = before[k] + shape.size[k] + after[k];
        }
        sample x = random_sample(random_dtype(), shape);
        int64_t count = bp_shape_count(to), index[BP_MAX_RANK] = {0}, at[BP_MAX_RANK];
        int64_t *from = malloc((size_t)count * sizeof *from + 8);
        for (int64_t i = 0; i < count; i++, next_index(&to, index)) {
            bool inside = true;
            for (int k = 0; k < shape.rank; k++) {
                at[k] = index[k] - before[k];
                inside = inside && at[k] >= 0 && at[k] < shape.size[k];
            }
            from[i] = inside ? offset_of(&shape, at) : -1;
        }
        bp_tensor *y = bp_pad(x.t, before, after);
        expect_shape(y, to);
        check_move(&x, y, from);
        free(from);
    }
}
END_TEST

enum { MOST = 5 };

START_TEST(concat_puts_one_behind_the_other) {
    for (int round = 0; round < 60; round++) {
        bp_shape shape = random_shape(3, 3);
        shape.size[shape.rank++] = 1;
        int axis = draw(shape.rank), count = 1 + draw(MOST),
            given = axis - (draw(2) ? shape.rank : 0);
        bp_dtype dtype = random_dtype();
        sample x[MOST];
        bp_tensor *parts[MOST];
        bp_shape to = shape;
        to.size[axis] = 0;
        for (int k = 0; k < count; k++) {
            shape.size[axis] = draw(4);
            to.size[axis] += shape.size[axis];
            x[k] = random_sample(dtype, shape);
            parts[k] = x[k].t;
        }
        bp_tensor *y = bp_concat(parts, count, given);
        expect_shape(y, to);
        double want[512], weights[512], gx[512];
        sample c = random_sample(BP_F64, to);
        memcpy(weights, c.v, (size_t)c.count * sizeof *weights);
        for (int k = 0, at = 0; k < count; k++) {
            int64_t index[BP_MAX_RANK] = {0};
            for (int64_t i = 0; i < x[k].count; i++, next_index(&x[k].shape, index)) {
                int64_t there[BP_MAX_RANK];
                memcpy(there, index, sizeof there);
                there[axis] += at;
                want[offset_of(&to, there)] = x[k].v[i];
            }
            at += (int)x[k].shape.size[axis];
        }
        expect(y, want);
        for (int k = 0, at = 0; k < count && dtype == BP_F64; k++) {
            int64_t index[BP_MAX_RANK] = {0};
            for (int64_t i = 0; i < x[k].count; i++, next_index(&x[k].shape, index)) {
                int64_t there[BP_MAX_RANK];
                memcpy(there, index, sizeof there);
                there[axis] += at;
                gx[i] = weights[offset_of(&to, there)];
            }
            expect(gradient(y, c.t, x[k].t), gx);
            at += (int)x[k].shape.size[axis];
        }
        for (int k = 0; k < count; k++)
            free(x[k].v);
        free(c.v);
        start_over();
    }
}
END_TEST

START_TEST(concat_takes_many) {
    bp_tensor *parts[300];
    double want[300];
    for (int k = 0; k < 300; k++) {
        want[k] = k;
        parts[k] = tensor(BP_F32, BP_SHAPE(1), &want[k]);
    }
    expect(bp_concat(parts, 300, 0), want);
}
END_TEST

/* ---- indexing -------------------------------------------------------------------------------- */

/* Random indices below `size`. */
static sample random_indices(bp_shape shape, int64_t size) {
    sample s = {new_input(draw(2) ? BP_I32 : BP_I64, shape), NULL, shape, bp_shape_count(shape)};
    s.v = malloc((size_t)s.count * sizeof(double) + 8);
    for (int64_t i = 0; i < s.count; i++)
        s.v[i] = draw((int)size);
    write_values(s.t, s.v);
    return s;
}

static bp_shape replaced(const bp_shape *x, int axis, const bp_shape *by) {
    bp_shape y = {.rank = 0};
    for (int k = 0; k < x->rank; k++)
        if (k != axis)
            y.size[y.rank++] = x->size[k];
        else
            for (int l = 0; l < by->rank; l++)
                y.size[y.rank++] = by->size[l];
    return y;
}

/* For every element of the gathered tensor: where in x it comes from. */
static int64_t *gathered(const bp_shape *x, int axis, const sample *index, const bp_shape *y) {
    int64_t count = bp_shape_count(*y), at[BP_MAX_RANK] = {0}, there[BP_MAX_RANK];
    int64_t *from = malloc((size_t)count * sizeof *from + 8);
    for (int64_t i = 0; i < count; i++, next_index(y, at)) {
        for (int k = 0; k < x->rank; k++)
            there[k] = k == axis ? (int64_t)index->v[offset_of(&index->shape, at + axis)]
                                 : at[k < axis ? k : k - 1 + index->shape.rank];
        from[i] = offset_of(x, there);
    }
    return from;
}

START_TEST(gather_takes_rows_by_number) {
    for (int round = 0; round < 80; round++) {
        bp_shape shape = random_shape(2, 3);
        shape.size[shape.rank++] = 1 + draw(4);
        int axis = draw(shape.rank);
        sample x = random_sample(random_dtype(), shape);
        sample index = random_indices(random_shape(2, 4), shape.size[axis]);
        bp_shape to = replaced(&shape, axis, &index.shape);
        int64_t *from = gathered(&shape, axis, &index, &to);
        bp_tensor *y = bp_gather(x.t, index.t, draw(2) ? axis : axis - shape.rank);
        expect_shape(y, to);
        check_move(&x, y, from);
        free(from), free(index.v);
    }
}
END_TEST

START_TEST(scatter_add_adds_rows_by_number) {
    for (int round = 0; round < 80; round++) {
        bp_shape to = random_shape(2, 3);
        to.size[to.rank++] = 1 + draw(4);
        int axis = draw(to.rank);
        sample index = random_indices(random_shape(2, 4), to.size[axis]);
        bp_shape shape = replaced(&to, axis, &index.shape);
        sample x = random_sample((bp_dtype)draw(BP_U8), shape);
        int64_t *into = gathered(&to, axis, &index, &shape);
        double want[256] = {0}, gx[4096];
        for (int64_t i = 0; i < x.count; i++)
            want[into[i]] += x.v[i];
        bp_tensor *y = bp_scatter_add(x.t, index.t, draw(2) ? axis : axis - to.rank, to.size[axis]);
        expect_shape(y, to);
        expect(y, want);
        if (is_float(&x)) {
            sample c = random_sample(bp_tensor_dtype(y), to);
            for (int64_t i = 0; i < x.count; i++)
                gx[i] = c.v[into[i]];
            expect(gradient(y, c.t, x.t), gx);
            free(c.v);
        }
        free(into), free(index.v), free(x.v);
        start_over();
    }
}
END_TEST

START_TEST(one_hot_marks_the_index) {
    double index[] = {2, 0, 1, 2}, want[] = {0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1};
    for (int dtype = 0; dtype < BP_DTYPE_COUNT; dtype++) {
        bp_tensor *y = bp_one_hot(tensor(BP_I64, BP_SHAPE(2, 2), index), 3, (bp_dtype)dtype);
        expect_shape(y, BP_SHAPE(2, 2, 3));
        expect(y, want);
    }
}
END_TEST

START_TEST(an_index_out_of_range_is_an_error_of_the_run) {
    double high[] = {0, 5, 1}, low[] = {0, 1, -1}, good[] = {0, 4, 1}, rows[] = {1, 2, 3};
    bp_tensor *x = new_input(BP_F32, BP_SHAPE(5, 2)), *i = tensor(BP_I64, BP_SHAPE(3), high);
    bp_tensor *y = bp_gather(x, i, 0), *r = tensor(BP_F32, BP_SHAPE(3), rows);
    expect_run_failure(y, BP_ERR_VALUE, "index 5 at position 1 is not in 0..4 (size 5)");
    expect_run_failure(bp_scatter_add(r, i, 0, 5), BP_ERR_VALUE, "index 5 at position 1");
    expect_run_failure(bp_one_hot(i, 5, BP_F32), BP_ERR_VALUE, "index 5 at position 1");
    write_values(i, low);
    expect_run_failure(y, BP_ERR_VALUE, "index -1 at position 2");
    write_values(i, good);
    ck_assert_int_eq(bp_eval(&y, 1), BP_OK);
    bp_tensor *none = bp_gather(new_input(BP_F32, BP_SHAPE(0, 2)), i, 0);
    expect_run_failure(none, BP_ERR_VALUE, "(size 0)");
}
END_TEST

/* ---- messages -------------------------------------------------------------------------------- */

START_TEST(messages_say_what_to_do) {
    bp_tensor *x = new_input(BP_F32, BP_SHAPE(2, 3)), *v = new_input(BP_F32, BP_SHAPE(3));
    bp_tensor *u = new_input(BP_U8, BP_SHAPE(2, 3)), *i = new_input(BP_I32, BP_SHAPE(2));
    expect_failure(bp_reshape(x, BP_SHAPE(4, 2)), BP_ERR_SHAPE,
                   "[2,3] has 6 elements, [4,2] has 8; did you mean [3,2]?");
    expect_failure(bp_reshape(x, BP_SHAPE(-1, 4)), BP_ERR_SHAPE,
                   "[2,3] (6 elements) does not fit [-1,4]");
    expect_failure(bp_reshape(x, BP_SHAPE(-1, -1)), BP_ERR_SHAPE, "one size may be -1");
    expect_failure(bp_reshape(x, BP_SHAPE(-2, 3)), BP_ERR_SHAPE, "does not fit [-2,3]");
    expect_failure(bp_reshape(x, (bp_shape){.rank = 9}), BP_ERR_SHAPE, "9 dimensions");
    expect_failure(bp_permute(x, BP_AXES(0)), BP_ERR_ARGUMENT,
                   "1 axes, but there are 2 dimensions");
    expect_failure(bp_permute(x, BP_AXES(0, 0)), BP_ERR_ARGUMENT, "axis 0 is given twice");
    expect_failure(bp_permute(x, BP_AXES(0, 2)), BP_ERR_ARGUMENT, "axis 2 does not exist");
    expect_failure(bp_permute(x, BP_ALL), BP_ERR_ARGUMENT, "name every axis once");
    expect_failure(bp_transpose(v), BP_ERR_SHAPE, "needs two dimensions or more");
    expect_failure(bp_expand(x, BP_SHAPE(2, 4)), BP_ERR_SHAPE, "[2,3] does not broadcast to [2,4]");
    expect_failure(bp_expand(x, BP_SHAPE(3)), BP_ERR_SHAPE, "does not broadcast");
    expect_failure(bp_expand(v, (bp_shape){8, {3037000500, 3037000500, 1, 1, 1, 1, 1, 3}}),
                   BP_ERR_SHAPE, "64 bits");
    expect_failure(bp_slice(x, NULL, NULL), BP_ERR_ARGUMENT, "NULL");
    expect_failure(bp_pad(x, (int64_t[]){0, -1}, (int64_t[]){0, 0}), BP_ERR_ARGUMENT,
                   "bp_slice cuts off");
    expect_failure(bp_pad(x, (int64_t[]){INT64_MAX, 0}, (int64_t[]){1, 0}), BP_ERR_SHAPE,
                   "overflows");
    expect_failure(bp_concat((bp_tensor *[]){x, v}, 2, 0), BP_ERR_SHAPE,
                   "operand number 2, [3], does not fit the first, [2,3]");
    expect_failure(bp_concat((bp_tensor *[]){x, u}, 2, 0), BP_ERR_DTYPE, "bp_cast");
    expect_failure(bp_concat((bp_tensor *[]){x, x}, 2, 2), BP_ERR_ARGUMENT,
                   "axis 2 does not exist");
    expect_failure(bp_gather(x, v, 0), BP_ERR_DTYPE, "indices are i32 or i64, not f32");
    expect_failure(bp_gather(x, i, -3), BP_ERR_ARGUMENT, "axis -3 does not exist");
    expect_failure(bp_scatter_add(v, i, 0, 5), BP_ERR_SHAPE, "the index has 2 there");
    expect_failure(bp_scatter_add(x, i, 0, -1), BP_ERR_SHAPE, "negative size");
    expect_failure(bp_scatter_add(u, i, 0, 5), BP_ERR_DTYPE, "bp_cast it to i64");
    expect_failure(bp_one_hot(i, 0, BP_F32), BP_ERR_ARGUMENT, "at least 1");
    ck_assert_ptr_null(bp_transpose(NULL));
    ck_assert_ptr_null(bp_concat(NULL, 0, 0));
    ck_assert_ptr_null(bp_slice(NULL, NULL, NULL));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        reshape_keeps_elements_in_order,
        permute_in_any_order,
        transpose_swaps_the_last_two,
        expand_repeats,
        slice_takes_a_box,
        pad_surrounds_with_zeros,
        concat_puts_one_behind_the_other,
        concat_takes_many,
        gather_takes_rows_by_number,
        scatter_add_adds_rows_by_number,
        one_hot_marks_the_index,
        an_index_out_of_range_is_an_error_of_the_run,
        messages_say_what_to_do,
    };
    return run_tests("ops_shape", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
